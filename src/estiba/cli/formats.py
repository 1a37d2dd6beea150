"""``--format`` of lists: a template per row, JSON lines, and tables of templates."""

from __future__ import annotations

from estiba.cli.session import CommandError
from estiba.cli.tables import align
from estiba.cli.template_functions import HEADER_FUNCTIONS, TemplateError
from estiba.cli.templates import Record, Template

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from estiba.cli.session import Session
    from estiba.cli.tables import Columns


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


def print_formatted(
    session: Session, format_: str, columns: Columns, rows: Iterable[Any], *, truncate: bool, type_name: str
) -> None:
    """Print rows by "table TEMPLATE", "json", or a template."""
    table = format_.startswith("table")
    template = compile_template("{{json .}}" if format_ == "json" else format_.removeprefix("table"))
    texts = [render(template, Row(columns, row, truncate, type_name)) for row in rows]
    if table:
        header = template.render(_Header(columns), HEADER_FUNCTIONS)
        session.write(align([line.split("\t") for text in (header, *texts) for line in text.split("\n")]), end="")
        return
    for text in texts:
        session.write(text)
