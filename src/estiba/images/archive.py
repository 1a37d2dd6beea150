"""What the files of an image archive mean: Docker's archives, new and old, and OCI layouts.

manifest.json       Docker since 1.10; since 25 inside an OCI layout, whose manifests are kept then
index.json          an OCI layout alone (skopeo, podman, buildx, umoci)
repositories        Docker before 1.10: a directory with VERSION, json and layer.tar for every layer
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from estiba.errors import InvalidArgument
from estiba.images import legacy
from estiba.images.compression import Compression, detect
from estiba.oci import image as images
from estiba.oci import manifest as manifests
from estiba.oci import reference as references
from estiba.oci.manifest import Descriptor, Index, Manifest, decode, encode
from estiba.snapshots.assemble import MOST_LAYERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from estiba.images.blobs import Blob, BlobStore
    from estiba.images.pins import Hold
    from estiba.images.spool import Spool
    from estiba.oci.image import ImageConfig
    from estiba.oci.reference import Reference

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386", "riscv64": "riscv64"}
_DEEPEST_INDEX = 4


@dataclass(frozen=True)
class ArchivedImage:
    """An image of an archive, its parts found and their shape checked; its layers are not unpacked yet."""

    config_blob: Blob
    config: ImageConfig
    manifest: Blob
    layers: tuple[Blob, ...]
    names: tuple[Reference, ...] = ()
    parent: str = ""


class _DockerImage(msgspec.Struct, frozen=True, rename="pascal"):
    """An element of manifest.json."""

    config: str = ""
    repo_tags: list[str] | None = None
    layers: list[str] | None = None
    parent: str = ""


def host_architecture() -> str:
    """The OCI's name of this machine's architecture."""
    machine = os.uname().machine
    return _MACHINES.get(machine, machine)


def read_images(spool: Spool, blobs: BlobStore, platform: str = "") -> list[ArchivedImage]:
    """The images of an archive. `platform` (os/architecture) chooses where an index has several.

    Raises:
        InvalidArgument: no image is in it, or one is incomplete or damaged.
    """
    if spool.find("manifest.json"):
        return list(_docker(spool, blobs))
    if spool.find("index.json"):
        return list(_layout(spool, platform))
    if spool.find("repositories"):
        return [_with_manifest(blobs, spool, *old) for old in legacy.read(spool, blobs)]
    raise InvalidArgument("cannot load: the archive holds no image (no manifest.json, index.json or repositories)")


def _docker(spool: Spool, blobs: BlobStore) -> Iterator[ArchivedImage]:
    described = decode(list[_DockerImage], spool.document("manifest.json"), "manifest.json")
    originals = {m.config.digest: (blob, m) for blob, m in _layout_manifests(spool)}
    for entry in described:
        config_blob = spool.get(_inside(entry.config))
        config = _read_config(spool.read_blob(config_blob))
        check_layers(len(entry.layers or ()), len(config.diff_ids))
        layers = tuple(spool.get(_inside(path)) for path in entry.layers or ())
        names = tuple(_tagged(text) for text in entry.repo_tags or ())
        blob, original = originals.get(config_blob.digest, (None, None))
        if blob and original and [layer.digest for layer in original.layers] == [layer.digest for layer in layers]:
            yield ArchivedImage(config_blob, config, blob, layers, names, entry.parent)
        else:
            yield _with_manifest(blobs, spool, config_blob, config, layers, names, entry.parent)


def _with_manifest(
    blobs: BlobStore,
    spool: Spool,
    config_blob: Blob,
    config: ImageConfig,
    layers: tuple[Blob, ...],
    names: tuple[Reference, ...],
    parent: str,
) -> ArchivedImage:
    manifest = make_manifest(blobs, spool.hold, config_blob, layers)
    return ArchivedImage(config_blob, config, manifest, layers, names, parent)


def make_manifest(blobs: BlobStore, hold: Hold, config: Blob, layers: tuple[Blob, ...]) -> Blob:
    """Write the manifest of an image that came without one; equal images get equal ones."""
    described = []
    for layer in layers:
        with blobs.open(layer.digest) as file:
            compression = detect(file.read(8) or b"")
        described.append(Descriptor(media_type=_LAYER_TYPES[compression], digest=layer.digest, size=layer.size))
    manifest = Manifest(
        schema_version=2,
        media_type=manifests.MANIFEST,
        config=Descriptor(media_type=manifests.CONFIG, digest=config.digest, size=config.size),
        layers=described,
    )
    return blobs.add(encode(manifest), hold)


_LAYER_TYPES = {
    Compression.NONE: manifests.LAYER,
    Compression.GZIP: manifests.LAYER_GZIP,
    Compression.ZSTD: manifests.LAYER_ZSTD,
    Compression.XZ: manifests.LAYER + "+xz",
    Compression.BZIP2: manifests.LAYER + "+bzip2",
}


def _read_config(data: bytes) -> ImageConfig:
    config = images.decode(data)
    if config.os not in ("", "linux"):
        raise InvalidArgument(f"cannot load {config.os} image on linux")
    return config


def check_layers(described: int, configured: int) -> None:
    """Raises InvalidArgument where manifest and configuration differ, or are of more layers than can be stacked."""
    if described != configured:
        raise InvalidArgument(f"invalid manifest, layers length mismatch: expected {described}, got {configured}")
    if described > MOST_LAYERS:
        raise InvalidArgument(f"max depth exceeded: {described} layers, {MOST_LAYERS} are the most")


def _layout_manifests(spool: Spool) -> Iterator[tuple[Blob, Manifest]]:
    """The manifests that a layout inside Docker's archive has; what is missing or odd there doesn't matter."""
    if not spool.find("index.json"):
        return
    for descriptor in decode(Index, spool.document("index.json"), "index.json").manifests:
        try:
            blob = spool.blob(descriptor.digest)
            yield blob, decode(Manifest, spool.read_blob(blob), f"manifest {descriptor.digest}")
        except InvalidArgument:
            continue


def _layout(spool: Spool, platform: str) -> Iterator[ArchivedImage]:
    found: dict[str, ArchivedImage] = {}
    names: dict[str, list[Reference]] = {}
    for descriptor in decode(Index, spool.document("index.json"), "index.json").manifests:
        blob = _choose(spool, descriptor, platform or f"linux/{host_architecture()}")
        if blob is None:
            continue
        if blob.digest not in found:
            found[blob.digest] = _layout_image(spool, blob)
        name = annotated_name(descriptor)
        if name is not None and name not in names.setdefault(blob.digest, []):
            names[blob.digest].append(name)
    if not found:
        raise InvalidArgument("cannot load: the archive's index.json names no image")
    for digest, image in found.items():
        yield replace(image, names=tuple(names.get(digest, ())))


def _choose(spool: Spool, descriptor: Descriptor, platform: str, depth: int = 0) -> Blob | None:
    """The manifest that a descriptor leads to, through indexes by platform; None for what belongs to no platform."""
    if depth > _DEEPEST_INDEX:
        raise InvalidArgument("invalid archive: indexes within indexes within indexes")
    blob = spool.blob(descriptor.digest, descriptor.size)
    if descriptor.media_type in manifests.MANIFESTS:
        return blob
    if descriptor.media_type not in manifests.INDEXES:
        raise InvalidArgument(
            f"cannot load {descriptor.digest}: its media type is {descriptor.media_type!r}, which is no image"
        )
    candidates = decode(Index, spool.read_blob(blob), f"index {descriptor.digest}").manifests
    wanted = [c for c in candidates if matches_platform(c, platform) and spool.has_blob(c.digest)]
    if not wanted:
        offered = ", ".join(sorted({_platform_text(c) for c in candidates if c.platform})) or "none"
        raise InvalidArgument(f"cannot load {descriptor.digest}: it has no image for {platform} (there are: {offered})")
    return _choose(spool, wanted[0], platform, depth + 1)


def matches_platform(descriptor: Descriptor, platform: str) -> bool:
    """Whether a manifest is for `os/architecture[/variant]`; one that doesn't say is for every platform."""
    if descriptor.platform is None:
        return True
    wanted = platform.split("/")
    offered = (descriptor.platform.os, descriptor.platform.architecture, descriptor.platform.variant)
    return all(not theirs or not ours or theirs == ours for ours, theirs in zip(wanted, offered, strict=False))


def _platform_text(descriptor: Descriptor) -> str:
    platform = descriptor.platform
    return f"{platform.os}/{platform.architecture}" if platform else ""


def _layout_image(spool: Spool, blob: Blob) -> ArchivedImage:
    manifest = decode(Manifest, spool.read_blob(blob), f"manifest {blob.digest}")
    if manifest.config.media_type not in manifests.CONFIGS:
        raise InvalidArgument(f"cannot load {blob.digest}: it is no image, but {manifest.config.media_type!r}")
    config_blob = spool.blob(manifest.config.digest, manifest.config.size)
    config = _read_config(spool.read_blob(config_blob))
    check_layers(len(manifest.layers), len(config.diff_ids))
    layers = tuple(spool.blob(layer.digest, layer.size) for layer in manifest.layers)
    return ArchivedImage(config_blob, config, blob, layers)


def annotated_name(descriptor: Descriptor) -> Reference | None:
    """The name that a layout gives an image; a bare tag, as umoci writes it, is no name."""
    annotations = descriptor.annotations or {}
    text = annotations.get(manifests.IMAGE_NAME) or annotations.get(manifests.REF_NAME, "")
    if manifests.IMAGE_NAME not in annotations and not any(c in text for c in "/:"):
        return None
    try:
        return references.parse(text).with_default_tag()
    except InvalidArgument:
        return None


def _tagged(text: str) -> Reference:
    reference = references.parse(text)
    if not reference.tag or reference.digest:
        raise InvalidArgument(f'invalid tag "{text}"')
    return reference


def _inside(path: str) -> str:
    """A path of manifest.json within the archive."""
    if path.startswith("/") or ".." in path.split("/"):
        raise InvalidArgument(f"invalid archive: manifest.json leads out of it: {path}")
    return path
