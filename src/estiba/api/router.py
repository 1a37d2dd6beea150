"""From a method and a path to a handler: a table is compiled into dictionaries, looked up by the path's ends.

A pattern has at most one variable part, written {name}; as in Docker it may contain slashes (image names do).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from estiba.api.http import Exchange, Reply
    from estiba.api.server import Api

Handler = Callable[["Api", "Exchange"], Awaitable["Reply | None"]]

_VERSION = re.compile(r"/v([0-9.]{1,20})(/.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Route:
    """A line of the table: method, pattern, handler."""

    method: str
    pattern: str
    handler: Handler


def split_version(path: str) -> tuple[str, str]:
    """("1.51", "/info") of "/v1.51/info"; ("", path) without a version."""
    match = _VERSION.fullmatch(path)
    return (match[1], match[2]) if match else ("", path)


def clean(path: str) -> str:
    """The path without `.`, `..` and doubled slashes; a slash at the end stays."""
    cleaned = posixpath.normpath("/" + path.lstrip("/"))
    return cleaned + "/" if path.endswith("/") and cleaned != "/" else cleaned


def _first_part(path: str) -> str:
    return path[: path.find("/", 1) + 1]


class Router:
    """The compiled table."""

    def __init__(self, routes: tuple[Route, ...]) -> None:
        self._static: dict[tuple[str, str], Handler] = {}
        # by method and first part of the path: (what is before the variable, what is behind it), longest ends first
        self._variable: dict[str, list[tuple[str, str, Handler]]] = {}
        for route in routes:
            head, brace, rest = route.pattern.partition("{")
            if not brace:
                self._static[route.method, route.pattern] = route.handler
            else:
                kind = f"{route.method} {_first_part(head)}"
                self._variable.setdefault(kind, []).append((head, rest.partition("}")[2], route.handler))
        for patterns in self._variable.values():
            patterns.sort(key=lambda pattern: len(pattern[1]), reverse=True)

    def find(self, method: str, path: str) -> tuple[Handler, str] | None:
        """(handler, the variable part) for a cleaned path; None when there is no such page."""
        handler = self._static.get((method, path))
        if handler is not None:
            return handler, ""
        for head, tail, found in self._variable.get(f"{method} {_first_part(path)}", ()):
            if path.startswith(head) and path.endswith(tail) and len(path) > len(head) + len(tail):
                return found, path[len(head) : len(path) - len(tail)]
        return None
