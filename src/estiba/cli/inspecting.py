"""``inspect`` of any kind: raw JSON, indented as it came, or a template per object; what is not there is told after
what is.
"""

from __future__ import annotations

from estiba.cli.session import CommandError
from estiba.cli.template_functions import TemplateError
from estiba.cli.templates import Template
from estiba.cli.typed import Typed
from estiba.client.quickjson import loads
from estiba.client.transport import ResponseError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from estiba.cli.session import Session
    from estiba.cli.typed import Schema

    # name → the object's JSON and its schema
    Find = Callable[[str], tuple[bytes, Schema]]

BAD_FORMAT = 64
_STEP = "    "


def inspect(session: Session, names: list[str], format_: str, find: Find) -> int:
    """Print the objects; exit code 1 when one was not found."""
    template = _template(format_) if format_ not in ("", "json") else None
    found: list[tuple[str, Schema]] = []
    failures = []
    for name in names:
        try:
            raw, schema = find(name)
        except ResponseError as error:
            failures.append(f"Error response from daemon: {error.message}")
        except CommandError as error:
            failures.append(error.message)
        else:
            found.append((raw.decode("utf-8", "replace").strip(), schema))
    if template is not None:
        for text, schema in found:
            try:
                session.write(template.render(Typed(loads(text), schema, as_raw=True)))
            except TemplateError as error:
                session.print("")
                failures.append(f"template parsing error: {error}")
        if not found:
            session.print("")
    elif format_ == "json":
        session.print("[" + ",".join(text for text, _ in found) + "]")
    else:
        session.print(_array([text for text, _ in found]))
    for failure in failures:
        session.warn(failure)
    return 1 if failures else 0


def _template(text: str) -> Template:
    try:
        return Template(text)
    except TemplateError as error:
        raise CommandError(f"template parsing error: {error}", BAD_FORMAT) from None


def _array(texts: list[str]) -> str:
    if not texts:
        return "[]"
    return "[\n" + ",\n".join(_STEP + indent(text, _STEP) for text in texts) + "\n]"


def indent(text: str, prefix: str = "") -> str:
    """JSON with a line per value, four spaces a level. Everything but white space stays as it was written."""
    out: list[str] = []
    level, index = 0, 0
    while index < len(text):
        char = text[index]
        if char == '"':
            end = _string_end(text, index)
            out.append(text[index:end])
            index = end
            continue
        index += 1
        if char in "{[":
            closing = index
            while text[closing].isspace():
                closing += 1
            if text[closing] in "}]":
                out.append(char + text[closing])
                index = closing + 1
                continue
            level += 1
            out.append(char + "\n" + prefix + _STEP * level)
        elif char in "}]":
            level -= 1
            out.append("\n" + prefix + _STEP * level + char)
        elif char == ",":
            out.append(",\n" + prefix + _STEP * level)
        elif char == ":":
            out.append(": ")
        elif not char.isspace():
            out.append(char)
    return "".join(out)


def _string_end(text: str, index: int) -> int:
    end = index + 1
    while text[end] != '"':
        end += 2 if text[end] == "\\" else 1
    return end + 1
