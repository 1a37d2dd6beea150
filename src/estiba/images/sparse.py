"""Maps of sparse files in tar archives: the old GNU header, and pax 0.0, 0.1 and 1.0.

The formats are in GNU tar's manual, "Storing Sparse Files" and "Basic Tar Format".

A map is a flat tuple offset, length, offset, length … of the parts whose bytes are in the archive, in file order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from estiba.images.tar import BLOCK, parse_number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Numbers in a map: 131,072 extents. A map is unbounded in the format and costs memory before any data is seen.
MAP_NUMBERS: Final = 1 << 18
_MAX_DIGITS: Final = 20


def check_map(extents: Sequence[int], size: int, stored: int) -> tuple[int, ...]:
    """Validate a map against the file's size and the number of bytes that the archive holds for it.

    Raises:
        ValueError: parts that overlap, are out of order, reach beyond the file, or don't add up.
    """
    if len(extents) % 2 or len(extents) > MAP_NUMBERS:
        raise ValueError("sparse map too long" if len(extents) > MAP_NUMBERS else "damaged sparse map")
    end = total = 0
    for index in range(0, len(extents), 2):
        offset, length = extents[index], extents[index + 1]
        if offset < end or length < 0:
            raise ValueError("sparse map out of order")
        end = offset + length
        total += length
    if end > size:
        raise ValueError("sparse map reaches beyond the file")
    if total != stored:
        raise ValueError(f"sparse map speaks of {total} bytes, {stored} are stored")
    return tuple(extents)


def _pairs(area: bytes, count: int) -> list[int]:
    numbers = []
    for index in range(count):
        field = area[24 * index : 24 * index + 24]
        if not field[0]:
            break
        numbers += [parse_number(field[:12]), parse_number(field[12:])]
    return numbers


def read_old_gnu(header: bytes, take: Callable[[], bytes]) -> tuple[list[int], int]:
    """Map and real size of a type S header; `take` gives the extension blocks that follow it.

    Raises:
        ValueError: for numbers that aren't, or a map without end.
    """
    extents = _pairs(header[386:482], 4)
    more = header[482]
    while more:
        block = take()
        extents += _pairs(block, 21)
        more = block[504]
        if len(extents) > MAP_NUMBERS:
            raise ValueError("sparse map too long")
    return extents, parse_number(header[483:495])


def _decimal(text: bytes) -> int:
    if not text.isdigit() or len(text) > _MAX_DIGITS:
        raise ValueError("damaged sparse map")
    return int(text)


def read_pax_0(records: Sequence[tuple[bytes, bytes]]) -> list[int] | None:
    """The map of the formats 0.0 (repeated records) and 0.1 (one list), None when there is none."""
    numbers: list[int] = []
    found = False
    for key, value in records:
        if key == b"GNU.sparse.map":
            if value.count(b",") >= MAP_NUMBERS:
                raise ValueError("sparse map too long")
            return [_decimal(number) for number in value.split(b",")] if value else []
        if key in (b"GNU.sparse.offset", b"GNU.sparse.numbytes"):
            if (key == b"GNU.sparse.offset") != (len(numbers) % 2 == 0):
                raise ValueError("damaged sparse map")
            numbers.append(_decimal(value))
        found = found or key.startswith(b"GNU.sparse.num")
    return numbers if found else None


def read_pax_1(take: Callable[[], bytes]) -> tuple[list[int], int]:
    """The map of format 1.0, which precedes the data: decimal lines, padded to a block; and how many bytes it took."""
    lines: list[bytes] = []
    rest, taken, wanted = b"", 0, 1
    while len(lines) < wanted:
        block = take()
        taken += BLOCK
        *complete, rest = (rest + block).split(b"\n")
        lines += complete
        if lines and wanted == 1:
            wanted += 2 * _decimal(lines[0])
        if wanted > MAP_NUMBERS or len(rest) > BLOCK:
            raise ValueError("sparse map too long")
    return [_decimal(line) for line in lines[1:wanted]], taken


def format_pax_1(extents: Sequence[int]) -> bytes:
    """The block-padded map of format 1.0."""
    text = b"".join(b"%d\n" % number for number in (len(extents) // 2, *extents))
    return text + bytes(-len(text) % BLOCK)
