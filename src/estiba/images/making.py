"""New images from one archive of files: `import`, `commit`, and what this machine's own files become."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from estiba.errors import Conflict, InvalidArgument
from estiba.images.archive import check_layers, host_architecture, make_manifest
from estiba.images.changes import apply_changes
from estiba.images.compression import Compression, Rewound, decompressed, detect
from estiba.images.durations import format_time
from estiba.images.progress import Progress, check_cancelled, silent
from estiba.images.records import NewImage
from estiba.images.unpack import apply_layer
from estiba.oci.digest import chain_ids
from estiba.oci.image import Defaults, History, ImageConfig, RootFS
from estiba.oci.manifest import LARGEST_DOCUMENT, encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from threading import Event

    from estiba.images.blobs import Blob, BlobWriter
    from estiba.images.compression import Readable
    from estiba.images.content import Content
    from estiba.images.image import Image
    from estiba.images.progress import Report
    from estiba.oci.reference import Reference
    from estiba.snapshots.layers import NewLayer, StagedLayer

EMPTY_DIFF_ID = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
"""The tar with nothing in it (1,024 zeros): no layer is made of it, as in Docker."""
_KEPT = (Compression.NONE, Compression.GZIP, Compression.ZSTD)
_REPORT_EVERY = 1 << 22


@dataclass(frozen=True)
class Recipe:
    """What a new image is, besides its layer.

    Attributes:
        parent: the image below, None for a new bottom.
        created_by: the command that made the layer, for the history.
        container: id of the container that was committed.
        platform: os/architecture[/variant]; "" is the parent's, or this machine's.
        created_ns: 0 is now.
    """

    defaults: Defaults
    parent: Image | None = None
    author: str = ""
    comment: str = ""
    created_by: str = ""
    container: str = ""
    platform: str = ""
    created_ns: int = 0


def import_archive(
    content: Content,
    stream: Readable,
    *,
    names: Iterable[Reference] = (),
    changes: Iterable[str] = (),
    message: str = "",
    platform: str = "",
    report: Report = silent,
    cancel: Event | None = None,
) -> Image:
    """Make an image of a flat file tree's archive, in any compression.

    Raises:
        InvalidArgument: a bad change or platform, a damaged or hostile archive. Unavailable: no space. Cancelled.
    """
    wanted = parse_platform(platform)
    if wanted is not None and wanted[0] != "linux":
        raise InvalidArgument(f"operating system is not supported: {wanted[0]}")
    defaults = apply_changes(Defaults(), changes)
    recipe = Recipe(defaults, comment=message or "Imported from -", platform=platform)
    return make(content, stream, recipe, names, report, cancel)


def make(
    content: Content,
    stream: Readable,
    recipe: Recipe,
    names: Iterable[Reference] = (),
    report: Report = silent,
    cancel: Event | None = None,
) -> Image:
    """Make an image: the layers of `recipe.parent`, and one with the content of `stream`, a layer's archive.

    Raises:
        as import_archive().
    """
    names = list(names)
    with content.working() as hold, ExitStack() as stack:
        if recipe.parent is not None:
            content.rely_on(recipe.parent, hold)
        writer = stack.enter_context(content.blobs.writer("the layer"))
        diff_ids = list(recipe.parent.config.diff_ids) if recipe.parent else []
        source = _Tee(_plain_unless_kept(stream), writer, report, cancel)
        staged, diff_id = _unpack(content, source, diff_ids, stack)
        blobs = _layer_blobs(recipe.parent)
        if diff_id != EMPTY_DIFF_ID:
            digest = diff_id if source.compression is Compression.NONE else writer.digest()
            hold.add(digest)  # first: who removes the same content elsewhere must not take this away
            blob = writer.commit(digest, trusted=True)
            blobs.append(blob)
            diff_ids.append(diff_id)
            keys = chain_ids(diff_ids)
            staged.publish(keys[-1], parent=keys[-2] if len(keys) > 1 else None)
        check_layers(len(diff_ids), len(diff_ids))
        config = content.blobs.add(_encoded(_config(recipe, diff_ids, empty=diff_id == EMPTY_DIFF_ID)), hold)
        manifest = make_manifest(content.blobs, hold, config, tuple(blobs))
        check_cancelled(cancel)
        with content.committing():
            parent = recipe.parent.id if recipe.parent else ""
            size = content.stack_size(chain_ids(diff_ids))
            content.records.add(NewImage(config.digest, manifest.digest, size, parent=parent), names)
    image = content.records.by_id(config.digest)
    if image is None:
        raise Conflict(f"image {config.digest} was removed by somebody else as soon as it was made")
    return image


def _unpack(content: Content, source: _Tee, below: list[str], stack: ExitStack) -> tuple[StagedLayer, str]:
    staged = content.layers.stage()
    stack.callback(staged.discard)
    lower = stack.enter_context(content.layers.view(chain_ids(below))) if below else None
    result = apply_layer(source, staged.descriptor, lower=lower, hash_blob=False)
    source.drain()
    _size(staged, result.size)
    return staged, result.diff_id


def _size(new: NewLayer, size: int) -> None:
    new.size = size


def _layer_blobs(parent: Image | None) -> list[Blob]:
    from estiba.images.blobs import Blob

    return [Blob(layer.digest, layer.size) for layer in parent.layers] if parent else []


def _encoded(config: ImageConfig) -> bytes:
    data = encode(config)
    if len(data) > LARGEST_DOCUMENT:  # nobody could read it again
        raise InvalidArgument(f"the image's configuration is too large: {len(data)} bytes, {LARGEST_DOCUMENT} at most")
    return data


def _config(recipe: Recipe, diff_ids: list[str], *, empty: bool) -> ImageConfig:
    created = format_time(recipe.created_ns or time.time_ns())
    below = recipe.parent.config if recipe.parent else ImageConfig(os="linux", architecture=host_architecture())
    os_name, architecture, variant = parse_platform(recipe.platform) or (below.os, below.architecture, below.variant)
    step = History(
        created=created,
        created_by=recipe.created_by,
        author=recipe.author,
        comment=recipe.comment,
        empty_layer=empty,
    )
    return ImageConfig(
        architecture=architecture,
        variant=variant,
        os=os_name,
        created=created,
        author=recipe.author,
        comment=recipe.comment,
        config=recipe.defaults,
        container=recipe.container,
        history=[*(below.history or ()), step],
        rootfs=RootFS(diff_ids=diff_ids),
    )


def parse_platform(text: str) -> tuple[str, str, str] | None:
    """(os, architecture, variant) of os/architecture[/variant]; None for "". Raises InvalidArgument."""
    if not text:
        return None
    parts = text.lower().split("/")
    if len(parts) > 3:
        raise InvalidArgument(f'"{text}": cannot parse platform specifier: invalid argument')
    if not all(part and part.replace("_", "").isalnum() for part in parts):
        raise InvalidArgument(f'"{text}" is an invalid OS/architecture component')
    if len(parts) == 1:
        parts = [parts[0], host_architecture()] if parts[0] == "linux" else ["linux", parts[0]]
    aliases = {"x86_64": "amd64", "aarch64": "arm64", "i386": "386", "armhf": "arm"}
    return parts[0], aliases.get(parts[1], parts[1]), parts[2] if len(parts) == 3 else ""


def _plain_unless_kept(stream: Readable) -> Rewound:
    """The stream as it is to be stored: layers are plain, gzip or zstd; others are decompressed."""
    source = Rewound(stream)
    if detect(source.head) in _KEPT:
        return source
    return Rewound(_Blocks(decompressed(source)))


class _Blocks:
    """Blocks as a stream."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = b""

    def read(self, size: int, /) -> bytes:
        if not self._rest:
            self._rest = next(self._blocks, b"")
        part, self._rest = self._rest[:size], self._rest[size:]
        return part


class _Tee:
    """A stream whose bytes are also written to a blob."""

    def __init__(self, stream: Rewound, writer: BlobWriter, report: Report, cancel: Event | None) -> None:
        self.compression = detect(stream.head)
        self._stream = stream
        self._writer = writer
        self._report = report
        self._cancel = cancel
        self._told = 0
        if self.compression is Compression.NONE:
            writer.stop_hashing()  # the diff id is its digest

    def read(self, size: int, /) -> bytes:
        check_cancelled(self._cancel)
        data = self._stream.read(size)
        if data:
            self._writer.write(data)
        if self._writer.size - self._told >= _REPORT_EVERY:
            self._told = self._writer.size
            self._report(Progress("Importing", current=self._told))
        return data

    def drain(self) -> None:
        """Store what follows the archive's end, too."""
        while self.read(1 << 20):
            pass
