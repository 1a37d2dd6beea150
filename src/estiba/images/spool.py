"""An image archive as it comes in, from any stream, in any order: its files become blobs at once, its layers are
unpacked while they are written.

Which entry is what is known only when the whole archive has been seen. So everything that looks like a layer is
unpacked on trial (Staged); a layer that turns out to need the ones below it is unpacked again from its blob.
Memory is bounded: a name and a digest for every entry, nothing else.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from estiba.errors import InvalidArgument
from estiba.images.blobs import Blob
from estiba.images.compression import Compression, decompressed, detect
from estiba.images.progress import Progress, check_cancelled
from estiba.images.tar import Kind, bad_entry
from estiba.images.tarreader import TarReader
from estiba.oci import digest as digests
from estiba.oci.manifest import LARGEST_DOCUMENT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from threading import Event
    from typing import Self

    from estiba.images.blobs import BlobStore, BlobWriter
    from estiba.images.compression import Readable
    from estiba.images.pins import Hold
    from estiba.images.progress import Report
    from estiba.images.staging import LayerBuilder, Staged

_MOST_ENTRIES: Final = 100_000
_MOST_LINKS: Final = 16
_HEAD: Final = 512
_BLOBS: Final = "blobs/sha256/"
_REPORT_EVERY: Final = 1 << 21


class Spool:
    """The files of one archive. Use it as a context manager: what was unpacked and not taken is discarded then.

    Attributes:
        hold: pins every blob that comes from the archive.
    """

    def __init__(
        self, blobs: BlobStore, builder: LayerBuilder, hold: Hold, report: Report, cancel: Event | None = None
    ) -> None:
        self._blobs = blobs
        self._builder = builder
        self.hold = hold
        self._report = report
        self._cancel = cancel
        self._files: dict[str, Blob] = {}
        self._links: dict[str, str] = {}
        self._staged: dict[str, Staged] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for staged in self._staged.values():
            staged.discard()
        self._staged.clear()

    def read(self, stream: Readable) -> None:
        """Take the whole archive, compressed or not.

        Raises:
            InvalidArgument: no archive, or a hostile one; the message names the entry.
            Unavailable: no space. Cancelled.
        """
        reader = TarReader(decompressed(stream))
        try:
            for entry in reader:
                check_cancelled(self._cancel)
                if reader.count > _MOST_ENTRIES:
                    raise InvalidArgument(f"invalid archive: more than {_MOST_ENTRIES} entries are in no image archive")
                path = entry_path(entry.name)
                if entry.kind is Kind.FILE:
                    if entry.extents is not None:
                        raise bad_entry(entry.name, "sparse files are not part of image archives")
                    self._links.pop(path, None)
                    self._file(path, entry.size, reader)
                elif entry.kind in (Kind.SYMLINK, Kind.HARDLINK):
                    self._files.pop(path, None)
                    self._links[path] = _link_target(entry.name, path, entry.link, entry.kind)
                elif entry.kind is not Kind.DIRECTORY:
                    raise bad_entry(entry.name, "image archives hold only files, directories and links")
        except InvalidArgument as error:
            if reader.count == 0 and "truncated" in error.message:
                raise InvalidArgument("unexpected EOF") from error  # what Docker's clients know
            raise

    def find(self, path: str) -> Blob | None:
        """The file of this name, links followed; None when there is none."""
        path = os.path.normpath(path)
        for _ in range(_MOST_LINKS):
            if path not in self._links:
                return self._files.get(path)
            path = self._links[path]
        return None

    def get(self, path: str) -> Blob:
        """The file of this name. Raises InvalidArgument: the archive refers to it and has it not."""
        blob = self.find(path)
        if blob is None:
            raise InvalidArgument(f"invalid archive: {path}: no such file or directory")
        return blob

    def has_blob(self, digest: str) -> bool:
        """Whether a layout's blob is in the archive."""
        return digests.is_digest(digest) and self.find(_BLOBS + digests.encoded(digest)) is not None

    def blob(self, digest: str, size: int | None = None) -> Blob:
        """The blob of a layout. Raises InvalidArgument: missing, or its content is not what its name says."""
        digests.check(digest)
        blob = self.get(_BLOBS + digests.encoded(digest))
        if blob.digest != digest:
            raise InvalidArgument(f"invalid archive: blob {digest} has the content of {blob.digest}")
        if size is not None and blob.size != size:
            raise InvalidArgument(f"invalid archive: blob {digest} has {blob.size} bytes, not {size} as described")
        return blob

    def document(self, path: str) -> bytes:
        """A small file as a whole. Raises InvalidArgument."""
        return self._blobs.read(self.get(path).digest, LARGEST_DOCUMENT)

    def read_blob(self, blob: Blob) -> bytes:
        """A small blob as a whole. Raises InvalidArgument."""
        return self._blobs.read(blob.digest, LARGEST_DOCUMENT)

    def diff_id(self, blob: Blob) -> str:
        """The digest of a layer's uncompressed archive. Raises InvalidArgument for damaged compressed data."""
        staged = self._staged.get(blob.digest)
        if staged is not None:
            return staged.diff_id
        computed = digests.hasher()
        with self._blobs.open(blob.digest) as file:
            for block in decompressed(file):
                computed.update(block)
        return f"sha256:{computed.hexdigest()}"

    def take_staged(self, blob: Blob) -> Staged | None:
        """The unpacked layer of a blob, which is the caller's from now on."""
        return self._staged.pop(blob.digest, None)

    def _file(self, path: str, size: int, reader: TarReader) -> None:
        named = "sha256:" + path.removeprefix(_BLOBS)
        if path.startswith(_BLOBS) and digests.is_digest(named) and self._known(named):
            self._files[path] = Blob(named, self._blobs.size(named))  # verified when it was written
            return
        with self._blobs.writer(f"entry {path}") as writer:
            source = _Source(reader, writer, size, self._progress(path, size), self._cancel)
            if looks_like_layer(source.head(), size):
                self._layer(path, source, writer)
            else:
                source.drain()
                self._keep(path, writer)

    def _known(self, digest: str) -> bool:
        self.hold.add(digest)
        return self._blobs.has(digest)

    def _layer(self, path: str, source: _Source, writer: BlobWriter) -> None:
        plain = detect(source.head()) is Compression.NONE
        writer.stop_hashing()
        staged = self._builder.stage(source, hash_blob=not plain)
        rest = source.drain()
        digest = ""
        if staged is not None and not rest:
            digest = staged.diff_id if plain else staged.blob_digest
        digest = digest or writer.digest()
        self._keep(path, writer, digest)
        if staged is None:
            return
        if digest in self._staged:
            staged.discard()
        else:
            self._staged[digest] = staged

    def _keep(self, path: str, writer: BlobWriter, digest: str = "") -> None:
        known = digest or writer.digest()
        self.hold.add(known)
        self._files[path] = writer.commit(known, trusted=True)

    def _progress(self, path: str, size: int) -> _Meter:
        parts = path.split("/")
        named = parts[-1] if path.startswith(_BLOBS) or len(parts) == 1 else parts[-2]
        return _Meter(self._report, named[:12], size)


class _Meter:
    """Tells how much of a layer has come, now and then."""

    def __init__(self, report: Report, identity: str, total: int) -> None:
        self._report = report
        self._id = identity
        self._total = total
        self._current = 0
        self._told = 0

    def add(self, size: int) -> None:
        self._current += size
        if self._current - self._told >= _REPORT_EVERY or self._current == self._total:
            self._told = self._current
            self._report(Progress("Loading layer", self._id, self._current, self._total))


class _Source:
    """The data of the current entry; what is read from it has been written to the blob."""

    def __init__(self, reader: TarReader, writer: BlobWriter, size: int, meter: _Meter, cancel: Event | None) -> None:
        self._pieces: Iterator[memoryview] = reader.data()
        self._writer = writer
        self._meter = meter if size >= _REPORT_EVERY else None
        self._cancel = cancel
        self._head = b""
        self._piece = memoryview(b"")

    def head(self) -> bytes:
        """The first 512 bytes (fewer when there are no more), which are still to be read."""
        if not self._head:
            parts = []
            missing = _HEAD
            while missing > 0 and self._fill():
                part = self._piece[:missing]
                self._piece = self._piece[len(part) :]
                parts.append(part)
                missing -= len(part)
            self._head = b"".join(parts)
            self._piece = memoryview(self._head + bytes(self._piece))
        return self._head

    def read(self, size: int, /) -> bytes:
        check_cancelled(self._cancel)
        if not self._fill():
            return b""
        part = self._piece[:size]
        self._piece = self._piece[len(part) :]
        self._writer.write(part)
        if self._meter is not None:
            self._meter.add(len(part))
        whole = part.obj
        return whole if isinstance(whole, bytes) and len(whole) == len(part) else bytes(part)

    def drain(self) -> int:
        """Write what nobody has read; its bytes."""
        rest = 0
        while data := self.read(1 << 20):
            rest += len(data)
        return rest

    def _fill(self) -> bool:
        while not self._piece:
            piece = next(self._pieces, None)
            if piece is None:
                return False
            self._piece = piece
        return True


def looks_like_layer(head: bytes, size: int) -> bool:
    """Whether a file may be a layer: a tar, a compressed stream, or the empty tar of zeros."""
    if detect(head) is not Compression.NONE or head[257:262] == b"ustar":
        return True
    return size >= 1024 and size % 512 == 0 and not head.strip(b"\0")


def entry_path(name: bytes) -> str:
    """An entry's name as a plain relative path. Raises InvalidArgument for one that leads out."""
    parts = [part for part in os.fsdecode(name).split("/") if part not in ("", ".")]
    if ".." in parts or b"\0" in name:
        raise bad_entry(name, "its name leads out of the archive")
    return "/".join(parts)


def _link_target(name: bytes, path: str, link: bytes, kind: Kind) -> str:
    target = os.fsdecode(link)
    if target.startswith("/"):
        raise bad_entry(name, "an absolute link leads out of the archive")
    base = os.path.dirname(path) if kind is Kind.SYMLINK else ""
    resolved = os.path.normpath(os.path.join(base, target))
    if resolved == ".." or resolved.startswith("../"):
        raise bad_entry(name, "a link leads out of the archive")
    return resolved
