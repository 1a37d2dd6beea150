"""Lists for people and scripts: columns computed from rows, printed as Docker's tables, JSON lines, or by a template
(``--format``).
"""

from __future__ import annotations

from estiba.cli.session import CommandError
from estiba.cli.template_functions import HEADER_FUNCTIONS, TemplateError
from estiba.cli.templates import Record, Template

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from estiba.cli.session import Session

    # name: (header, value of (row, truncate))
    Columns = dict[str, tuple[str, Callable[[Any, bool], object]]]

_GAP, _MINIMUM = 3, 10


class Row(Record):
    """One row: the named columns of an item. ``{{.Label "x"}}`` reads one label."""

    escaped = True

    def __init__(self, columns: Columns, item: Any, truncate: bool, type_name: str) -> None:
        self.columns = columns
        self.item = item
        self.truncate = truncate
        self.type_name = type_name

    def field(self, name: str, arguments: list[object]) -> object:
        if name == "Label" and "Labels" in self.columns and arguments:
            return (self.item.get("Labels") or {}).get(arguments[0], "")
        return self.columns[name][1](self.item, self.truncate)

    def as_map(self) -> dict[str, object]:
        return {name: self.field(name, []) for name in sorted(self.columns)}


class _Header(Record):
    def __init__(self, columns: Columns) -> None:
        self.columns = columns

    def field(self, name: str, arguments: list[object]) -> object:
        if name == "Label" and arguments:
            return str(arguments[0]).rpartition(".")[2].replace("-", " ").replace("_", " ")
        return self.columns[name][0] if name in self.columns else "<no value>"


def compile_template(text: str) -> Template:
    """Parse a --format template (``\\t`` and ``\\n`` written out are understood)."""
    try:
        return Template(text.strip(" ").replace("\\t", "\t").replace("\\n", "\n"))
    except TemplateError as error:
        raise CommandError(f"failed to parse template: {error}") from None


def render(template: Template, value: object) -> str:
    """A template's text for one value."""
    try:
        return template.render(value)
    except TemplateError as error:
        raise CommandError(f"failed to execute template: {error}") from None


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
    table = format_.startswith("table")
    template = compile_template("{{json .}}" if format_ == "json" else format_.removeprefix("table"))
    texts = [render(template, Row(columns, row, truncate, type_name)) for row in rows]
    if table:
        header = template.render(_Header(columns), HEADER_FUNCTIONS)
        session.print(align([line.split("\t") for text in (header, *texts) for line in text.split("\n")]), end="")
        return
    for text in texts:
        session.print(text)


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
