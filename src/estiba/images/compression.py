"""Compressed streams in, plain blocks out: gzip, zstd, xz, bzip2 or none, recognised by their first bytes.

Output comes in blocks of about a mebibyte whatever the input is: a bomb costs time, which the consumer bounds, and
never memory. Everything is decoded in this process by its own libraries; no program of a container is ever run for it.
"""

from __future__ import annotations

import bz2
import enum
import lzma
from typing import TYPE_CHECKING, Final, Protocol

import zstandard
from isal import igzip, igzip_lib

from estiba.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BLOCK: Final = 1 << 20
_READ: Final = 1 << 18
# A zstd window costs its reader as much memory; 128 MiB is the format's recommended bound and zstd's default.
_ZSTD_WINDOW: Final = 1 << 27
_XZ_MEMORY: Final = 1 << 28
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
# A zstd block is at most 128 KiB of plain data: so many of them are decoded at once.
_ZSTD_BLOCKS: Final = 8


_ERRORS: Final[tuple[type[Exception], ...]] = (
    EOFError,
    ValueError,
    igzip.BadGzipFile,
    igzip_lib.IsalError,  # type: ignore[assignment]
    zstandard.ZstdError,
    lzma.LZMAError,
    OSError,
)


class Readable(Protocol):
    """What a stream needs: `read(n)` gives 1 to n bytes, b"" at its end."""

    def read(self, size: int, /) -> bytes: ...


class Writable(Protocol):
    """What an archive is written to."""

    def write(self, data: bytes | memoryview, /) -> object: ...


class Compression(enum.Enum):
    """How a stream is compressed; the value is its name in media types and messages."""

    NONE = "none"
    GZIP = "gzip"
    ZSTD = "zstd"
    XZ = "xz"
    BZIP2 = "bzip2"


def detect(head: bytes) -> Compression:
    """Which compression a stream has by its first bytes (6 are enough)."""
    if head.startswith(b"\x1f\x8b\x08"):
        return Compression.GZIP
    if head.startswith(_ZSTD_MAGIC) or _is_skippable(head):
        return Compression.ZSTD
    if head.startswith(b"\xfd7zXZ\0"):
        return Compression.XZ
    if head.startswith(b"BZh") and head[3:4].isdigit():
        return Compression.BZIP2
    return Compression.NONE


class Rewound:
    """A stream whose first bytes have been looked at and are given again.

    Attributes:
        taken: bytes that have been read from the stream beneath.
    """

    def __init__(self, stream: Readable, peek: int = 6) -> None:
        self._stream = stream
        head = b""
        while len(head) < peek and (part := stream.read(peek - len(head))):
            head += part
        self.head = self._rest = head
        self.taken = len(head)

    def read(self, size: int, /) -> bytes:
        if self._rest:
            part, self._rest = self._rest[:size], self._rest[size:]
            return part
        part = self._stream.read(size)
        self.taken += len(part)
        return part


def decompressed(stream: Readable) -> Iterator[bytes]:
    """The plain content of a stream in blocks of at most about a mebibyte.

    Raises:
        InvalidArgument: the compressed data is damaged or ends early.
    """
    source = Rewound(stream)
    compression = detect(source.head)
    try:
        yield from _DECODERS[compression](source)
    except _ERRORS as error:
        raise InvalidArgument(f"cannot decompress the {compression.value} stream: {error}") from None


def _plain(source: Rewound) -> Iterator[bytes]:
    while block := source.read(BLOCK):
        yield block


def _gzip(source: Rewound) -> Iterator[bytes]:
    # Follows the members of a stream one after the other, checks each CRC and reports an early end.
    with igzip.IGzipFile(fileobj=_Raw(source), mode="rb") as reader:  # type: ignore[no-untyped-call]
        while block := reader.read(BLOCK):
            yield block


class _Raw:
    """The little of a file object that IGzipFile wants."""

    def __init__(self, source: Rewound) -> None:
        self._source = source

    def read(self, size: int = -1, /) -> bytes:
        return self._source.read(_READ if size < 0 else max(size, _READ))

    def readinto(self, buffer: memoryview) -> int:
        data = self._source.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


_Decoder = lzma.LZMADecompressor | bz2.BZ2Decompressor


def _chained(source: Rewound, new: Callable[[], _Decoder], compression: Compression) -> Iterator[bytes]:
    """Decode streams that follow each other (xz and bzip2 files may be concatenated)."""
    data = source.read(_READ)
    while data:
        decoder = new()
        while not decoder.eof:
            if not data and decoder.needs_input:
                data = source.read(_READ)
                if not data:
                    raise EOFError("unexpected end of the compressed data")
            block = decoder.decompress(data, BLOCK)
            data = b""
            if block:
                yield block
        data = decoder.unused_data or source.read(_READ)
        while data and not data.strip(b"\0"):
            data = source.read(_READ)
        if data and detect(data) is not compression:
            raise ValueError("something else follows the compressed data")


def _xz(source: Rewound) -> Iterator[bytes]:
    return _chained(source, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY), Compression.XZ)


def _bzip2(source: Rewound) -> Iterator[bytes]:
    return _chained(source, bz2.BZ2Decompressor, Compression.BZIP2)


# zstd: python-zstandard decodes either without a bound of the output or without noticing an early end. Cutting the
# stream at its own block boundaries (RFC 8878, 3.1.1) gives both.


class _Input:
    """Exact reads from a stream."""

    def __init__(self, source: Rewound) -> None:
        self._source = source
        self._data = b""
        self._position = 0

    def take(self, size: int) -> bytes:
        """`size` bytes; EOFError when there are fewer."""
        if self._position + size > len(self._data):
            parts = [self._data[self._position :]]
            missing = size - len(parts[0])
            while missing > 0:
                part = self._source.read(max(_READ, missing))
                if not part:
                    raise EOFError("unexpected end of the compressed data")
                parts.append(part)
                missing -= len(part)
            self._data, self._position = b"".join(parts), 0
        start = self._position
        self._position += size
        return self._data[start : self._position]

    def at_end(self) -> bool:
        if self._position == len(self._data):
            self._data, self._position = self._source.read(_READ), 0
        return not self._data


def _is_skippable(magic: bytes) -> bool:
    return len(magic) >= 4 and 0x50 <= magic[0] <= 0x5F and magic[1:4] == b"\x2a\x4d\x18"


def _zstd(source: Rewound) -> Iterator[bytes]:
    stream = _Input(source)
    while not stream.at_end():
        magic = stream.take(4)
        if _is_skippable(magic):
            _skip(stream, int.from_bytes(stream.take(4), "little"))
        elif magic == _ZSTD_MAGIC:
            yield from _zstd_frame(stream)
        else:
            raise ValueError("something else follows the compressed data")


def _skip(stream: _Input, size: int) -> None:
    while size:
        size -= len(stream.take(min(size, _READ)))


def _zstd_frame(stream: _Input) -> Iterator[bytes]:
    descriptor = stream.take(1)
    flags = descriptor[0]
    single = flags & 0x20
    size = (0 if single else 1) + (0, 1, 2, 4)[flags & 3] + (1 if single else 0, 2, 4, 8)[flags >> 6]
    decoder = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()
    parts = [_ZSTD_MAGIC, descriptor, stream.take(size)]
    count = 0
    last = False
    while not last:
        header = stream.take(3)
        value = int.from_bytes(header, "little")
        last, kind, length = bool(value & 1), value >> 1 & 3, value >> 3
        parts += (header, stream.take(1 if kind == 1 else length))
        count += 1
        if last and flags & 4:
            parts.append(stream.take(4))
        if last or count == _ZSTD_BLOCKS:
            block = decoder.decompress(b"".join(parts))
            parts, count = [], 0
            if block:
                yield block
    if not decoder.eof:
        raise EOFError("unexpected end of the compressed data")


_DECODERS: Final = {
    Compression.NONE: _plain,
    Compression.GZIP: _gzip,
    Compression.ZSTD: _zstd,
    Compression.XZ: _xz,
    Compression.BZIP2: _bzip2,
}
