"""A writer of pax archives that every reader of images understands: Docker's (Go), GNU tar, bsdtar, Python.

Plain ustar headers wherever they suffice. Extended headers only for names over 100 bytes, times with a fraction,
attributes and sparse files (GNU's format 1.0); numbers too large for octal digits are in base 256.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

from estiba.images import pax
from estiba.images.sparse import format_pax_1
from estiba.images.tar import BLOCK, HEADER, Entry, Kind, bad_entry, format_number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_FLUSH: Final = 1 << 18
_BILLION: Final = 1_000_000_000
_MAGIC: Final = b"ustar\x0000"
_END: Final = bytes(2 * BLOCK)


class TarWriter:
    """Entries and their data become blocks given to `write`; call finish() at the end."""

    def __init__(self, write: Callable[[bytes | memoryview], object]) -> None:
        self._write = write
        self._buffer = bytearray()
        self._padding = 0

    def add(self, entry: Entry) -> None:
        """Write an entry's headers. A file's stored bytes follow with data(), exactly as many as there are.

        Raises:
            InvalidArgument: the entry can't be expressed in an archive.
        """
        self._pad()
        sparse_map = b"" if entry.extents is None else format_pax_1(entry.extents)
        stored = entry.size if entry.extents is None else len(sparse_map) + sum(entry.extents[1::2])
        try:
            records = _records(entry)
            if records:
                self._extended(entry.name, pax.format_records(records))
            name = entry.name if entry.extents is None else b"GNUSparseFile.0/" + entry.name
            self._buffer += _header(entry, name, stored) + sparse_map
        except ValueError as error:
            raise bad_entry(entry.name, str(error)) from None
        self._padding = -stored % BLOCK
        if len(self._buffer) >= _FLUSH:
            self._flush()

    def data(self, piece: bytes | memoryview) -> None:
        """Write the next bytes of the current entry's data."""
        if len(piece) >= _FLUSH:
            self._flush()
            self._write(piece)
            return
        self._buffer += piece
        if len(self._buffer) >= _FLUSH:
            self._flush()

    def finish(self) -> None:
        """Write the end mark and everything that is still held."""
        self._pad()
        self._buffer += _END
        self._flush()

    def _pad(self) -> None:
        if self._padding:
            self._buffer += bytes(self._padding)
            self._padding = 0

    def _flush(self) -> None:
        if self._buffer:
            self._write(bytes(self._buffer))
            self._buffer = bytearray()

    def _extended(self, name: bytes, records: bytes) -> None:
        header = _pack(b"PaxHeaders.0/" + name.rstrip(b"/").rpartition(b"/")[2], 0o644, (0, 0), len(records), 0, b"x")
        self._buffer += header + records + bytes(-len(records) % BLOCK)


def _records(entry: Entry) -> list[tuple[bytes, bytes]]:
    """What the plain header has no room for."""
    records: list[tuple[bytes, bytes]] = []
    if entry.extents is not None:
        records += [
            (b"GNU.sparse.major", b"1"),
            (b"GNU.sparse.minor", b"0"),
            (b"GNU.sparse.name", entry.name),
            (b"GNU.sparse.realsize", b"%d" % entry.size),
        ]
    elif len(entry.name) > 100:
        records.append((b"path", entry.name))
    if len(entry.link) > 100:
        records.append((b"linkpath", entry.link))
    if entry.mtime % _BILLION:
        records.append((b"mtime", pax.format_time(entry.mtime)))
    if entry.xattrs:
        records += [(pax.xattr_key(name), value) for name, value in sorted(entry.xattrs.items())]
    return records


def _header(entry: Entry, name: bytes, stored: int) -> bytes:
    return _pack(
        name,
        entry.mode,
        (entry.uid, entry.gid),
        stored if entry.kind is Kind.FILE else 0,
        entry.mtime // _BILLION,
        b"%d" % entry.kind,
        entry.link,
        entry.device,
    )


def _pack(
    name: bytes,
    mode: int,
    owner: tuple[int, int],
    size: int,
    mtime: int,
    kind: bytes,
    link: bytes = b"",
    device: Sequence[int] = (0, 0),
) -> bytes:
    if not name or b"\0" in name or b"\0" in link:
        raise ValueError("a name that is empty or contains NUL")
    header = HEADER.pack(
        name[:100],
        format_number(mode, 8),
        format_number(owner[0], 8),
        format_number(owner[1], 8),
        format_number(size, 12),
        format_number(mtime, 12),
        b"        ",
        kind,
        link[:100],
        _MAGIC,
        format_number(device[0], 8),
        format_number(device[1], 8),
        b"",
    )
    # the low half of Adler-32 is 1 + the sum of the bytes, exact below 65,521, and 512 ASCII bytes sum up to less
    total = (zlib.adler32(header) & 0xFFFF) - 1 if header.isascii() else sum(header)
    return header[:148] + b"%06o\0 " % total + header[156:]
