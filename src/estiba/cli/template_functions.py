"""The functions that templates call (Go's own and Docker's), and how Go prints a value."""

from __future__ import annotations

from estiba.cli.tables import quote
from estiba.client.quickjson import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class TemplateError(Exception):
    """A template that cannot be parsed, or that does not fit the value."""


def truth(value: object) -> bool:
    """Go's idea of true: not the zero value, not empty."""
    return bool(value)


def show(value: object) -> str:
    """A value as Go prints it (%v)."""
    if isinstance(value, str):
        return value
    if value is None:
        return "<no value>"
    return _plain(value)


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, list | tuple):
        return "[" + " ".join(_plain(item) for item in value) + "]"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{_plain(value[key])}" for key in sorted(value)) + "]"
    if value is None:
        return "<nil>"
    as_struct = getattr(value, "as_struct", None)
    return "{" + " ".join(_plain(item) for item in as_struct()) + "}" if as_struct else str(value)


def _float(value: float) -> str:
    if value == int(value) and abs(value) < 1e21:
        return str(int(value))
    return repr(value).replace("e-0", "e-0" if abs(value) >= 1e-9 else "e-")


def to_json(value: object) -> str:
    """Compact JSON; a typed null is null. A row's own text is escaped for HTML, as Go does where Docker does not turn
    it off.
    """
    text = dumps(_json_ready(value))
    if getattr(value, "escaped", False):
        for char in "<>&":
            text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def _json_ready(value: object) -> object:
    if isinstance(value, list):
        return [_json_ready(item) for item in value]
    if isinstance(value, dict):
        return {key: _json_ready(item) for key, item in value.items()}
    if isinstance(value, str | int | float):
        return value
    as_map = getattr(value, "as_map", None)
    return as_map() if as_map else None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TemplateError(f"wrong type for value; expected string; got {_type(value)}")
    return value


def _type(value: object) -> str:
    names: dict[type, str] = {
        bool: "bool",
        int: "int",
        float: "float64",
        list: "[]interface {}",
        dict: "map[string]interface {}",
    }
    return names.get(type(value), "interface {}")


def _join(values: object, separator: str) -> str:
    if not values and not isinstance(values, str):
        return ""
    if not isinstance(values, list):
        raise TemplateError(
            "wrong type for value; expected []string; got "
            + (_type(values) if not isinstance(values, str) else "string")
        )
    return separator.join(_text(value) for value in values)


def _index(value: object, *keys: object) -> object:
    for key in keys:
        if isinstance(value, dict):
            value = value.get(key, "")
        elif isinstance(value, list | str) and isinstance(key, int):
            if not 0 <= key < len(value):
                raise TemplateError(f"index out of range: {key}")
            value = ord(value[key]) if isinstance(value, str) else value[key]
        elif value is None:
            raise TemplateError("index of untyped nil")
        else:
            raise TemplateError(f"can't index item of type {_type(value)}")
    return value


def _slice(value: object, *bounds: int) -> object:
    if not isinstance(value, list | str):
        raise TemplateError(f"can't slice item of type {_type(value)}")
    low = bounds[0] if bounds else 0
    high = bounds[1] if len(bounds) > 1 else len(value)
    if not 0 <= low <= high <= len(value):
        raise TemplateError(f"index out of range: {high if high > len(value) else low}")
    return value[low:high]


def _length(value: object) -> int:
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogateescape"))
    if isinstance(value, list | dict):
        return len(value)
    if not value and value is not None:
        return 0
    raise TemplateError("len of nil pointer" if value is None else f"len of type {_type(value)}")


def _equal(first: object, *others: object) -> bool:
    if not others:
        raise TemplateError("missing argument for comparison")
    for other in others:
        if type(first) is not type(other) and None not in (first, other) and not _numbers(first, other):
            raise TemplateError("incompatible types for comparison")
    return first in others


def _numbers(*values: object) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _less(first: object, second: object) -> bool:
    if isinstance(first, str) and isinstance(second, str):
        return first < second
    if isinstance(first, int | float) and isinstance(second, int | float) and _numbers(first, second):
        return first < second
    raise TemplateError("incompatible types for comparison")


def _format(pattern: str, *values: object) -> str:
    """printf with the verbs v s d q t f g e x X o b c T and Go's complaints about too few and too many values."""
    out, rest = [], list(values)
    position = 0
    while position < len(pattern):
        percent = pattern.find("%", position)
        if percent < 0:
            out.append(pattern[position:])
            break
        out.append(pattern[position:percent])
        end = percent + 1
        while end < len(pattern) and pattern[end] in "+-# 0123456789.":
            end += 1
        if end >= len(pattern):
            out.append("%!(NOVERB)")
            break
        options, verb, position = pattern[percent + 1 : end], pattern[end], end + 1
        if verb == "%":
            out.append("%")
        elif not rest:
            out.append(f"%!{verb}(MISSING)")
        else:
            out.append(_verb(options, verb, rest.pop(0)))
    if rest:
        out.append("%!(EXTRA " + ", ".join(f"{_type(value)}={_plain(value)}" for value in rest) + ")")
    return "".join(out)


def _verb(options: str, verb: str, value: object) -> str:
    if verb in "vs":
        return f"%{options}s" % (value if isinstance(value, str) else _plain(value))
    if verb == "q":
        return f"%{options}s" % quote(value if isinstance(value, str) else _plain(value))
    if verb in "xX" and isinstance(value, str):
        digits = value.encode().hex()
        return digits.upper() if verb == "X" else digits
    if verb == "t" and isinstance(value, bool):
        return _plain(value)
    if verb in "feg" and _numbers(value):
        return f"%{options}{verb}" % value
    if isinstance(value, int) and not isinstance(value, bool):
        if verb in "dxXo":
            return f"%{options}{verb}" % value
        if verb in "bc":
            return f"{value:b}" if verb == "b" else chr(value)
    return f"%!{verb}({_type(value) if not isinstance(value, str) else 'string'}={_plain(value)})"


def _title(text: str) -> str:
    previous = " "
    out = []
    for char in text:
        out.append(char if previous.isalnum() or previous in "_'" else char.upper())
        previous = char
    return "".join(out)


def _spread(values: tuple[object, ...]) -> str:
    """Go's Sprint: a space between neighbours of which neither is a string."""
    out = ""
    for index, value in enumerate(values):
        if index and not isinstance(value, str) and not isinstance(values[index - 1], str):
            out += " "
        out += value if isinstance(value, str) else _plain(value)
    return out


def _pad(text: str, before: int, after: int) -> str:
    return " " * before + text + " " * after if text else text


def _escaped(text: object) -> str:
    raw = show(text).encode()
    return "".join(
        chr(byte) if (chr(byte).isalnum() and byte < 128) or byte in b"-_.~" else "+" if byte == 32 else f"%{byte:02X}"
        for byte in raw
    )


FUNCTIONS: dict[str, Callable[..., object]] = {
    "and": lambda *values: values[-1],
    "or": lambda *values: values[-1],
    "not": lambda value: not truth(value),
    "eq": _equal,
    "ne": lambda first, second: not _equal(first, second),
    "lt": _less,
    "le": lambda first, second: not _less(second, first),
    "gt": lambda first, second: _less(second, first),
    "ge": lambda first, second: not _less(first, second),
    "index": _index,
    "slice": _slice,
    "len": _length,
    "print": lambda *values: _spread(values),
    "println": lambda *values: " ".join(value if isinstance(value, str) else _plain(value) for value in values) + "\n",
    "printf": _format,
    "urlquery": _escaped,
    "json": to_json,
    "split": lambda text, separator: _text(text).split(separator) if separator else list(_text(text)),
    "join": _join,
    "title": lambda text: _title(_text(text)),
    "lower": lambda text: _text(text).lower(),
    "upper": lambda text: _text(text).upper(),
    "pad": lambda text, before, after: _pad(_text(text), before, after),
    "truncate": lambda text, length: _text(text)[:length],
}

# while a table's header is made, the text stays what it is
HEADER_FUNCTIONS: dict[str, Callable[..., object]] = {
    **{name: (lambda text: text) for name in ("json", "title", "lower", "upper")},
    **{name: (lambda text, _: text) for name in ("split", "join", "truncate")},
}
