"""What a tar archive consists of: the entry as a value, the numbers and checksums of a header, names in messages.

Formats: POSIX.1-2001 pax, GNU tar, ustar, v7 and star (`man 5 tar` of libarchive, "Basic Tar Format" of GNU tar).
`tarreader.py` and `tarwriter.py` read and write them; names, link targets and attributes are bytes throughout.
"""

from __future__ import annotations

import enum
import functools
import struct
import zlib
from typing import Final

import msgspec

from estiba.errors import InvalidArgument

BLOCK: Final = 512
ZEROS: Final = bytes(BLOCK)
# name mode uid gid size mtime checksum type link magic+version major minor prefix
HEADER: Final = struct.Struct("100s8s8s8s12s12s8sc100s8s64x8s8s155s12x")
CHECKSUM: Final = slice(148, 156)


class Kind(enum.IntEnum):
    """What an entry makes. The numbers are the type bytes of ustar, as numbers."""

    FILE = 0
    HARDLINK = 1
    SYMLINK = 2
    CHARACTER = 3
    BLOCK = 4
    DIRECTORY = 5
    FIFO = 6


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One member of an archive.

    Attributes:
        name: as stored, neither normalised nor checked.
        mode: permission bits with set-id and sticky (07777).
        size: length in bytes of the file as it will be; 0 for everything that is not a FILE.
        mtime: nanoseconds since 1970, may be negative.
        link: target of a HARDLINK or SYMLINK.
        device: (major, minor) of a device node.
        xattrs: extended attributes by full name ("security.capability"), None when there are none.
        extents: for a sparse file offset, length, offset, length … of what is stored; None for an ordinary one.
    """

    name: bytes
    kind: Kind
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    size: int = 0
    mtime: int = 0
    link: bytes = b""
    device: tuple[int, int] = (0, 0)
    xattrs: dict[bytes, bytes] | None = None
    extents: tuple[int, ...] | None = None


def shown(name: bytes) -> str:
    """A name of an archive for messages: quoted, unprintable characters escaped, cut at 255 bytes."""
    text = name[:255].decode("utf-8", "backslashreplace") + ("…" if len(name) > 255 else "")
    return '"' + "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text) + '"'


def bad_entry(name: bytes, why: str) -> InvalidArgument:
    """The error for an entry that cannot be meant or is not allowed."""
    where = f"entry {shown(name)}: " if name else ""
    return InvalidArgument(f"invalid archive: {where}{why}")


@functools.lru_cache(maxsize=8192)
def parse_number(field: bytes) -> int:
    """A number field: octal digits, or two's complement in base 256 when the first byte has its top bit set.

    Raises:
        ValueError: for anything else.
    """
    if field[0] & 0x80:
        bits = 8 * len(field) - 1
        value = int.from_bytes(field, "big") & ((1 << bits) - 1)
        return value - (1 << bits) if value >> (bits - 1) else value
    text = field.strip(b" \0").split(b"\0", 1)[0].rstrip(b" ")
    if not text:
        return 0
    if not text.isdigit():
        raise ValueError("not a number")
    return int(text, 8)


def format_number(value: int, width: int) -> bytes:
    """A number field of `width` bytes: octal where it fits, else base 256.

    Raises:
        ValueError: when it doesn't fit in either.
    """
    if 0 <= value < 8 ** (width - 1):
        return b"%0*o\0" % (width - 1, value)
    bits = 8 * width - 1
    if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
        raise ValueError(f"{value} does not fit into {width} bytes")
    return ((1 << bits) | (value & ((1 << bits) - 1))).to_bytes(width, "big")


def checksum_matches(header: bytes, field: bytes) -> bool:
    """Whether the header's checksum is right: sum of its bytes, the field itself taken as blanks.

    The low half of Adler-32 is that sum modulo 65,521 in C, twenty times faster than sum(); the exact sum and the
    signed one, which some old programs wrote, are only looked at when it differs.
    """
    try:
        stored = parse_number(field)
    except ValueError:
        return False
    sum_of_all = (zlib.adler32(header) & 0xFFFF) - 1
    if (sum_of_all - sum(field) + 8 * 32 - stored) % 65521 == 0:
        return True
    blanked = header[:148] + b" " * 8 + header[156:]
    return stored in (sum(blanked), sum(struct.unpack("512b", blanked)))
