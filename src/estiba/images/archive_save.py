"""`save`: images as an archive that Docker (old and new), containerd, skopeo and podman read.

An OCI layout with Docker's manifest.json and repositories, as Docker 28 writes it; blobs as they are in the store, so
that digests survive; equal images give equal archives.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from estiba.errors import Unsupported
from estiba.images.index import named_descriptors
from estiba.images.progress import check_cancelled
from estiba.images.records import find_image, no_such_image
from estiba.images.tar import Entry, Kind
from estiba.images.tarwriter import TarWriter
from estiba.oci import digest as digests
from estiba.oci import manifest as manifests
from estiba.oci import reference as references
from estiba.oci.manifest import Descriptor, Index, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from threading import Event

    from estiba.images.content import Content
    from estiba.images.image import Image
    from estiba.images.records import ImageRecords
    from estiba.oci.reference import Reference

_READ = 1 << 20
_LAYOUT = b'{"imageLayoutVersion": "1.0.0"}'


@dataclass
class Selected:
    """An image to be saved, and the names it is to have in the archive."""

    image: Image
    names: list[Reference] = field(default_factory=list)


def select(records: ImageRecords, names: Iterable[str]) -> list[Selected]:
    """The images that names mean: a repository alone means all its tags, an id an image without names.

    Raises:
        NotFound: there is no such image. Unsupported: it is the host image. InvalidArgument: no name.
    """
    selected: dict[str, Selected] = {}
    for name in names:
        for image, reference in _meant(records, name):
            chosen = selected.setdefault(image.id, Selected(image))
            if reference is not None and reference not in chosen.names:
                chosen.names.append(reference)
    for chosen in selected.values():
        if not chosen.image.manifest:
            raise Unsupported(
                f"cannot save {chosen.image.references[0] if chosen.image.references else chosen.image.id}: the host "
                "image is this machine's own files; commit a container of it and save that"
            )
    return list(selected.values())


def _meant(records: ImageRecords, name: str) -> list[tuple[Image, Reference | None]]:
    if not digests.is_digest(name) and not (len(name) == 64 and digests.is_digest(f"sha256:{name}")):
        reference = references.parse(name)
        if not reference.tag and not reference.digest:
            of_repository = records.repository(reference)
            if of_repository:
                return [(image, found) for found, image in of_repository]
        else:
            image = records.by_reference(reference)
            if image is not None:
                return [(image, None if reference.digest else reference)]
    image = find_image(records, name)
    if image is None:
        raise no_such_image(name, tagged=False)
    return [(image, None)]


def save(
    content: Content, selected: Iterable[Selected], write: Callable[[bytes | memoryview], object], cancel: Event | None
) -> None:
    """Write an archive of the images.

    Raises:
        NotFound: a blob is missing. Cancelled; and what `write` raises.
    """
    chosen = list(selected)
    blobs: dict[str, int] = {}
    for one in chosen:
        for digest in _blobs_of(one.image):
            blobs[digest] = content.blobs.size(digest)
    files: dict[str, bytes | str] = {f"blobs/sha256/{digests.encoded(digest)}": digest for digest in blobs}
    files["index.json"] = _index(chosen, blobs)
    files["manifest.json"] = _docker_manifest(chosen, blobs)
    files["oci-layout"] = _LAYOUT
    files["repositories"] = _repositories(chosen)
    tar = TarWriter(write)
    for directory in (b"blobs/", b"blobs/sha256/"):
        tar.add(Entry(directory, Kind.DIRECTORY, 0o755))
    for path, source in sorted(files.items()):
        check_cancelled(cancel)
        if isinstance(source, bytes):
            tar.add(Entry(path.encode(), Kind.FILE, 0o644, size=len(source)))
            tar.data(source)
        else:
            tar.add(Entry(path.encode(), Kind.FILE, 0o644, size=blobs[source]))
            _copy(content, source, tar, cancel)
    tar.finish()


def _copy(content: Content, digest: str, tar: TarWriter, cancel: Event | None) -> None:
    with content.blobs.open(digest) as file:
        while data := file.read(_READ):
            check_cancelled(cancel)
            tar.data(data)


def _blobs_of(image: Image) -> list[str]:
    return [image.id, image.manifest, *(layer.digest for layer in image.layers)]


def _path(digest: str) -> str:
    return f"blobs/sha256/{digests.encoded(digest)}"


def _index(chosen: Iterable[Selected], sizes: dict[str, int]) -> bytes:
    entries: list[Descriptor] = []
    for one in chosen:
        digest = one.image.manifest
        plain = Descriptor(media_type=manifests.MANIFEST, digest=digest, size=sizes[digest])
        entries += named_descriptors(plain, [(str(name), name.tag) for name in one.names])
    return encode(Index(schema_version=2, media_type=manifests.INDEX, manifests=entries))


def _docker_manifest(chosen: Iterable[Selected], sizes: dict[str, int]) -> bytes:
    described: list[dict[str, Any]] = []
    for one in chosen:
        image = one.image
        sources = {
            diff_id: {"mediaType": layer.media_type, "size": sizes[layer.digest], "digest": layer.digest}
            for diff_id, layer in zip(image.config.diff_ids, image.layers, strict=True)
        }
        described.append(
            {
                "Config": _path(image.id),
                "RepoTags": [name.familiar for name in one.names] or None,
                "Layers": [_path(layer.digest) for layer in image.layers],
                **({"LayerSources": sources} if sources else {}),
            }
        )
    return msgspec.json.encode(described)


def _repositories(chosen: Iterable[Selected]) -> bytes:
    """What Docker before 1.10 read: repository → tag → top layer."""
    repositories: dict[str, dict[str, str]] = {}
    for one in chosen:
        top = one.image.layers[-1].digest if one.image.layers else one.image.id
        for name in one.names:
            repositories.setdefault(name.familiar_name, {})[name.tag] = digests.encoded(top)
    return msgspec.json.encode(repositories, order="sorted")
