"""What is wrong with a JSON text, in Go's words; and where its first value ends.

Only read after the fast decoder has refused a text. No recursion: a hostile text may be nested as deep as it likes.
"""

from __future__ import annotations

import re

from estiba.errors import InvalidArgument

DEEPEST = 10_000

_SPACE = re.compile(r"[ \t\r\n]*")
_PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})')
_INCOMPLETE_ESCAPE = re.compile(r"\\(?:u[0-9A-Fa-f]{0,3})?\Z")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_NUMBER_START = re.compile(r"-?(?:(?:0|[1-9][0-9]*)(?:\.(?:[0-9]+(?:[eE][+-]?)?)?|[eE][+-]?)?)?")
_LITERALS = {"t": "true", "f": "false", "n": "null"}


def _quoted(character: str) -> str:
    if character == "'":
        return "'\\''"
    if character in "\n\r\t":
        return {"\n": "'\\n'", "\r": "'\\r'", "\t": "'\\t'"}[character]
    return f"'{character}'" if character.isprintable() else f"'\\x{ord(character):02x}'"


def _refusal(text: str, position: int, where: str) -> InvalidArgument:
    if position >= len(text):
        return InvalidArgument("invalid JSON: unexpected EOF")
    return InvalidArgument(f"invalid JSON: invalid character {_quoted(text[position])} {where}")


def _skip_space(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position


def _string_end(text: str, position: int) -> int:
    """The position after a string that begins here."""
    position += 1
    while True:
        plain = _PLAIN.match(text, position)
        position = plain.end() if plain else position
        if position >= len(text) or text[position] not in '"\\':
            raise _refusal(text, position, "in string")
        if text[position] == '"':
            return position + 1
        escape = _ESCAPE.match(text, position)
        if escape is None:
            if _INCOMPLETE_ESCAPE.match(text, position):
                raise InvalidArgument("invalid JSON: unexpected EOF")
            length = 6 if text[position + 1] == "u" else 2
            raise InvalidArgument(
                f"invalid JSON: invalid escape sequence `{text[position : position + length]}` in string"
            )
        position = escape.end()


def _scalar_end(text: str, position: int) -> int:
    """The position after a string, number or literal that begins here."""
    first = text[position : position + 1]
    if first == '"':
        return _string_end(text, position)
    if first in _LITERALS and first:
        word = _LITERALS[first]
        for offset, expected in enumerate(word):
            if text[position + offset : position + offset + 1] != expected:
                raise _refusal(text, position + offset, f"in literal {word} (expecting {_quoted(expected)})")
        return position + len(word)
    if first and first in "-0123456789":
        started, number = _NUMBER_START.match(text, position), _NUMBER.match(text, position)
        begun = started.end() if started else position
        if number is None or begun > number.end():
            raise _refusal(text, begun, "in numeric literal")
        return number.end()
    raise _refusal(text, position, "looking for beginning of value")


class _Scan:
    """A walk over one value; `open` holds the brackets that are not closed yet."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = _skip_space(text, 0)
        self.open: list[str] = []

    def step(self) -> bool:
        """Read a value's beginning, and every bracket that closes after it; False when the first value is whole."""
        text = self.text
        first = text[self.position : self.position + 1]
        if first and first in "{[":
            self.open.append(first)
            if len(self.open) > DEEPEST:
                raise InvalidArgument("invalid JSON: exceeded max depth")
            self.position = _skip_space(text, self.position + 1)
            if text[self.position : self.position + 1] != {"{": "}", "[": "]"}[first]:
                self._key()
                return True
        else:
            self.position = _scalar_end(text, self.position)
        return self._close()

    def _key(self) -> None:
        if self.open[-1] == "[":
            return
        if self.text[self.position : self.position + 1] != '"':
            raise _refusal(self.text, self.position, "looking for beginning of object key string")
        self.position = _skip_space(self.text, _string_end(self.text, self.position))
        if self.text[self.position : self.position + 1] != ":":
            raise _refusal(self.text, self.position, "after object key")
        self.position = _skip_space(self.text, self.position + 1)

    def _close(self) -> bool:
        """After a value: brackets that end here, or the comma before the next value."""
        while self.open:
            at = _skip_space(self.text, self.position)
            character = self.text[at : at + 1]
            if character == {"{": "}", "[": "]"}[self.open[-1]]:
                self.open.pop()
                self.position = at + 1
                continue
            if character != ",":
                place = "after object key:value pair" if self.open[-1] == "{" else "after array element"
                raise _refusal(self.text, at, place)
            self.position = _skip_space(self.text, at + 1)
            self._key()
            return True
        return False


def first_value(text: str) -> str:
    """The first JSON value of a text, checked.

    Raises:
        InvalidArgument: "invalid JSON: …" with what Go's decoder says, or "unexpected content after JSON".
    """
    scan = _Scan(text)
    if scan.position == len(text):
        raise InvalidArgument("invalid JSON: got EOF while reading request body")
    while scan.step():
        pass
    rest = text[_skip_space(text, scan.position) :]
    # Go's decoder sees no further value behind a stray closing bracket
    if rest and rest[0] not in "]}":
        raise InvalidArgument("unexpected content after JSON")
    return text[: scan.position]


def shallow(text: str, depth: int) -> str:
    """A valid text with every value below this depth replaced by null."""
    scan = _Scan(text)
    parts, kept, cut = [], 0, None
    more = True
    while more:
        begin, before = scan.position, len(scan.open)
        more = scan.step()
        if cut is None and before == depth and len(scan.open) > depth:
            cut = begin
        if cut is not None and len(scan.open) <= depth:
            # the walk stands behind the comma, key and colon that followed: find the value's own end
            parts += [text[kept:cut], "null"]
            kept = _matching(text, cut)
            cut = None
    parts.append(text[kept:])
    return "".join(parts)


def _matching(text: str, position: int) -> int:
    """The position after the bracketed value that begins here."""
    level = 0
    while True:
        character = text[position]
        if character == '"':
            position = _string_end(text, position)
            continue
        level += (character in "{[") - (character in "]}")
        position += 1
        if not level:
            return position
