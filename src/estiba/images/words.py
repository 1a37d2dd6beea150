"""Words of a Dockerfile line: splitting at blanks, quotes, escapes, and `$NAME`, `${NAME:-default}` substitution.

https://docs.docker.com/reference/dockerfile/#environment-replacement. The escape character is the backslash.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from estiba.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Mapping

_BLANKS = " \t\r\n\v\f"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*#?!$-]")


def split_words(text: str) -> list[str]:
    """Words as they are written: quotes and escapes keep blanks together and stay in the word."""
    words: list[str] = []
    word, quote, position = "", "", 0
    started = False
    while position < len(text):
        character = text[position]
        if character == "\\" and position + 1 < len(text):
            word += text[position : position + 2]
            position += 2
            started = True
            continue
        if not quote and character in _BLANKS:
            if started:
                words.append(word)
            word, started = "", False
        else:
            if character == quote:
                quote = ""
            elif not quote and character in "\"'":
                quote = character
            word += character
            started = True
        position += 1
    return [*words, word] if started else words


def expand(word: str, env: Mapping[str, str]) -> str:
    """One word without its quotes and escapes, variables replaced; unset ones are empty.

    Raises:
        InvalidArgument: an open quote or brace, or a substitution that does not exist.
    """
    return _Expansion(word, env).run("")


class _Expansion:
    """One pass over a word."""

    def __init__(self, text: str, env: Mapping[str, str]) -> None:
        self._text = text
        self._env = env
        self._position = 0

    def run(self, stop: str) -> str:
        """Up to the character `stop`, which is taken, or to the end when it is empty."""
        result = ""
        while self._position < len(self._text):
            character = self._text[self._position]
            self._position += 1
            if character == stop:
                return result
            if character == "'":
                result += self._single()
            elif character == '"':
                result += self._double()
            elif character == "$":
                result += self._dollar()
            elif character == "\\":
                result += self._text[self._position : self._position + 1]  # a lone one at the end vanishes
                self._position += 1
            else:
                result += character
        if stop:
            raise self._failure(f"unexpected end of statement while looking for matching {stop}")
        return result

    def _single(self) -> str:
        end = self._text.find("'", self._position)
        if end < 0:
            raise self._failure("unexpected end of statement while looking for matching single-quote")
        start, self._position = self._position, end + 1
        return self._text[start:end]

    def _double(self) -> str:
        result = ""
        while self._position < len(self._text):
            character = self._text[self._position]
            self._position += 1
            if character == '"':
                return result
            if character == "$":
                result += self._dollar()
            elif character == "\\" and self._text[self._position : self._position + 1] in ('"', "$", "\\"):
                result += self._text[self._position]
                self._position += 1
            else:
                result += character
        raise self._failure("unexpected end of statement while looking for matching double-quote")

    def _dollar(self) -> str:
        if self._text.startswith("{", self._position):
            self._position += 1
            return self._braces()
        match = _NAME.match(self._text, self._position)
        if match is None:
            return "$"
        self._position = match.end()
        return self._env.get(match.group(), "")

    def _braces(self) -> str:
        match = _NAME.match(self._text, self._position)
        if match is None:
            raise self._failure("syntax error: missing or bad name in substitution")
        name, self._position = match.group(), match.end()
        operator = self._operator()
        if operator == "}":
            return self._env.get(name, "")
        argument = self.run("}")
        given = bool(self._env.get(name)) if ":" in operator else name in self._env
        if operator[-1] == "-":
            return self._env[name] if given else argument
        if operator[-1] == "+":
            return argument if given else ""
        if given:
            return self._env[name]
        raise self._failure(f"{name}: {argument or 'not allowed to be unset'}")

    def _operator(self) -> str:
        colon = ":" if self._text.startswith(":", self._position) else ""
        operator = colon + self._text[self._position + len(colon) : self._position + len(colon) + 1]
        self._position += len(operator)
        if operator in ("}", "-", "+", "?", ":-", ":+", ":?"):
            return operator
        if not operator:
            raise self._failure("unexpected end of statement while looking for matching }")
        raise self._failure(f"unsupported modifier ({operator}) in substitution")

    def _failure(self, why: str) -> InvalidArgument:
        shown = self._text.replace("\\", "\\\\").replace('"', '\\"')
        return InvalidArgument(f'failed to process "{shown}": {why}')
