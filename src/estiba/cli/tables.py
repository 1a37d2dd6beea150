"""Lists for people: columns computed from rows, printed as Docker's tables.

``formats`` has JSON lines and templates; it is loaded only for them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from estiba.cli.session import Session

    # name: (header, value of (row, truncate))
    Columns = dict[str, tuple[str, Callable[[Any, bool], object]]]

_GAP, _MINIMUM = 3, 10


def print_list(
    session: Session,
    format_: str,
    columns: Columns,
    rows: Iterable[Any],
    *,
    standard: tuple[str, ...],
    truncate: bool = True,
    type_name: str = "*formatter.Context",
) -> None:
    """Print rows by a format.

    Args:
        format_: "" or "table" (the standard columns), "table TEMPLATE", "json", or a template.
        standard: the columns of the plain table.
    """
    if format_ in ("", "table"):
        lines = [[columns[name][0] for name in standard]]
        lines += [[str(columns[name][1](row, truncate)) for name in standard] for row in rows]
        session.print(align(lines), end="")
        return
    only = format_.removeprefix("{{.").removesuffix("}}")
    if only in columns and format_ == f"{{{{.{only}}}}}":
        for row in rows:
            session.print(str(columns[only][1](row, truncate)))
        return
    from estiba.cli.formats import print_formatted

    print_formatted(session, format_, columns, rows, truncate=truncate, type_name=type_name)


def align(lines: list[list[str]], gap: int = _GAP, minimum: int = _MINIMUM) -> str:
    """Cells in columns as Go's tabwriter does: a column is a run of lines that have a cell there and one after it."""
    widths: list[list[int]] = [[0] * len(line) for line in lines]
    column = 0
    while any(len(line) > column + 1 for line in lines):
        start = 0
        while start < len(lines):
            end = start
            while end < len(lines) and len(lines[end]) > column + 1:
                end += 1
            block = range(start, end)
            width = max((len(lines[row][column]) for row in block), default=0)
            # an empty column takes no space
            padded = 0 if width == 0 else max(width + gap, minimum)
            for row in block:
                widths[row][column] = padded
            start = end + 1
        column += 1
    out = []
    for line, sizes in zip(lines, widths, strict=True):
        out.append("".join(cell.ljust(size) for cell, size in zip(line, sizes, strict=True)) + "\n")
    return "".join(out)


def short_id(identity: str) -> str:
    """The first twelve digits of an id, without its algorithm."""
    return identity.partition(":")[2][:12] if ":" in identity else identity[:12]


def ellipsis(text: str, width: int) -> str:
    """Cut to a width with ``…``."""
    return text if len(text) <= width else text[: width - 1] + "…"


def label_text(labels: dict[str, str] | None) -> str:
    """``a=b,c=d``, sorted."""
    return ",".join(sorted(f"{key}={value}" for key, value in (labels or {}).items()))


def quote(text: str) -> str:
    """Go's strconv.Quote."""
    out = []
    for char in text:
        if char in '"\\':
            out.append("\\" + char)
        elif char in "\n\t\r\a\b\f\v":
            out.append("\\" + "ntrabfv"["\n\t\r\a\b\f\v".index(char)])
        elif char.isprintable():
            out.append(char)
        elif ord(char) < 0x80:
            out.append(f"\\x{ord(char):02x}")
        else:
            out.append(f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}")
    return '"' + "".join(out) + '"'
