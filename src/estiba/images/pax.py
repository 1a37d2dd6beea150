"""Extended headers of pax archives: records "length key=value\\n" (POSIX.1-2001, pax, "pax Extended Header")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

XATTR: Final = b"SCHILY.xattr."
_BILLION: Final = 1_000_000_000


def parse_records(data: bytes) -> list[tuple[bytes, bytes]]:
    """The records in order; a key may come more than once (sparse 0.0 does that).

    Raises:
        ValueError: when a record's length is wrong or its key is missing.
    """
    records = []
    position, size = 0, len(data)
    while position < size:
        if data[position] == 0:  # some writers pad inside the header's size
            if data.count(0, position) != size - position:
                raise ValueError("damaged extended header")
            break
        blank = data.find(b" ", position, position + 20)
        digits = data[position:blank] if blank > 0 else b""
        end = position + int(digits) if digits.isdigit() else -1
        if end <= blank + 2 or end > size or data[end - 1] != 0x0A:
            raise ValueError("damaged extended header")
        key, equals, value = data[blank + 1 : end - 1].partition(b"=")
        if not equals or not key:
            raise ValueError("damaged extended header")
        records.append((key, value))
        position = end
    return records


def format_records(records: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The inverse of parse_records."""
    return b"".join(_record(key, value) for key, value in records)


def _record(key: bytes, value: bytes) -> bytes:
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def parse_time(text: bytes) -> int:
    """Decimal seconds with a fraction of any length, as whole nanoseconds (rounded towards the past).

    Raises:
        ValueError: when it is not such a number.
    """
    seconds, dot, fraction = text.partition(b".")
    negative = seconds.startswith(b"-")
    digits = seconds[1:] if negative else seconds
    if not (digits or fraction) or not (digits or b"0").isdigit() or len(digits) > 20:
        raise ValueError("not a time")
    if dot and fraction and not fraction.isdigit():
        raise ValueError("not a time")
    nanoseconds = int(digits or 0) * _BILLION + int(fraction[:9].ljust(9, b"0"))
    return -nanoseconds - bool(fraction[9:].strip(b"0")) if negative else nanoseconds


def format_time(nanoseconds: int) -> bytes:
    """The inverse of parse_time, without needless digits."""
    sign = b"-" if nanoseconds < 0 else b""
    seconds, fraction = divmod(abs(nanoseconds), _BILLION)
    return b"%s%d.%09d" % (sign, seconds, fraction) if fraction else b"%s%d" % (sign, seconds)


def xattr_key(name: bytes) -> bytes:
    """The record key of an extended attribute; `%` and `=` are escaped as GNU tar does, since a key ends at `=`."""
    return XATTR + name.replace(b"%", b"%25").replace(b"=", b"%3D")


def xattr_name(key: bytes) -> bytes:
    """The attribute that a SCHILY.xattr.* record sets."""
    return key[len(XATTR) :].replace(b"%3D", b"=").replace(b"%25", b"%")
