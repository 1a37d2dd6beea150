"""Where a request's body ends (RFC 9112 §6 and §7.1), for bodies that are read past h11.

Docker's client sends every header, file and padding of a tar as a chunk of its own: h11 takes 20 µs for each, which
made half of what a copy of small files into a container cost.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Protocol

from estiba.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Mapping

_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r\n")
_NEXT_SIZE: Final = re.compile(rb"\r\n" + _SIZE.pattern)
_MOST_LINE: Final = 8192
_MOST_TRAILERS: Final = 65536


class Framing(Protocol):
    """Takes the bytes of a connection until the body has ended."""

    ended: bool
    rest: bytes

    def feed(self, data: bytes) -> bytes:
        """The content of what has come. After the end `rest` is what follows the body. Raises InvalidArgument."""


class Sized:
    """A body of known length."""

    def __init__(self, size: int) -> None:
        self._left = size
        self.ended = size == 0
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        content, self.rest = data[: self._left], data[self._left :]
        self._left -= len(content)
        self.ended = self._left == 0
        return content


class Chunked:
    """A body in chunks. Extensions and trailers are skipped."""

    def __init__(self) -> None:
        self._left = 0
        self._size = _SIZE
        self._undecoded = b""
        self._in_trailers = False
        self.ended = False
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        data = self._undecoded + data
        view, at, parts = memoryview(data), 0, []
        while not self._in_trailers:
            if self._left:
                part = view[at : at + self._left]
                parts.append(part)
                at += len(part)
                self._left -= len(part)
                if self._left:
                    break
            found = self._size.match(data, at)
            if found is None:
                self._check_incomplete(data, at)
                break
            at = found.end()
            self._left = int(found[1], 16)
            self._size = _NEXT_SIZE
            self._in_trailers = not self._left
        self._undecoded = data[at:]
        if self._in_trailers:
            self._skip_trailers()
        return b"".join(parts)

    def _check_incomplete(self, data: bytes, at: int) -> None:
        """What is no size line may become one, unless it is too long or has its end already."""
        line = data[at : at + _MOST_LINE]
        begin = 2 if self._size is _NEXT_SIZE else 0
        if len(line) == _MOST_LINE or not b"\r\n".startswith(line[:begin]) or b"\n" in line[begin:]:
            raise InvalidArgument("unexpected EOF")

    def _skip_trailers(self) -> None:
        if self._undecoded.startswith(b"\r\n"):
            end = 2
        elif (found := self._undecoded.find(b"\r\n\r\n")) >= 0:
            end = found + 4
        elif len(self._undecoded) > _MOST_TRAILERS:
            raise InvalidArgument("unexpected EOF")
        else:
            return
        self.ended, self.rest, self._undecoded = True, self._undecoded[end:], b""


def framing(headers: Mapping[bytes, bytes]) -> Framing:
    """The framing that a request's headers announce, which h11 has checked; without any there is no body."""
    if b"transfer-encoding" in headers:
        return Chunked()
    return Sized(int(headers.get(b"content-length", b"0")))
