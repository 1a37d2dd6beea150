"""Bodies as blocking files: what a worker thread reads from a client's socket or writes to it, past the event loop.

The socket is lent: the loop does not read (or write) it meanwhile. It stays non-blocking, as the loop needs it, so
waiting is poll(2). A client that goes away, or a loop that shuts the socket down, ends every wait.
"""

from __future__ import annotations

import io
import select
import socket
from typing import TYPE_CHECKING

from estiba.errors import Cancelled, InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

    from estiba.api.framing import Framing

BLOCK = 256 * 1024
SMALL_WRITES = 64 * 1024
STALLED_SECONDS = 1800


def _wait(lent: socket.socket, event: int) -> None:
    poller = select.poll()
    poller.register(lent, event)
    if not poller.poll(STALLED_SECONDS * 1000):
        raise Cancelled(f"the client did not move for {STALLED_SECONDS} seconds")


def _receive(lent: socket.socket) -> bytes:
    while True:
        try:
            return lent.recv(BLOCK, socket.MSG_DONTWAIT)
        except BlockingIOError:
            _wait(lent, select.POLLIN)
        except ConnectionError:
            return b""


class BodyReader(io.BufferedIOBase):
    """The request's body. ``read(n)`` gives n bytes unless the body ends before.

    Args:
        lent: the client's socket, closed with this object.
        body: says where the body ends.
        first: what the client has sent of it already.
        finished: called once, by the reading thread, with the bytes behind the body, when all of it has come.

    Raises:
        InvalidArgument: the client went away, or what it sends is no HTTP body.
    """

    def __init__(self, lent: socket.socket, body: Framing, first: bytes, finished: Callable[[bytes], None]) -> None:
        super().__init__()
        self._lent = lent
        self._body = body
        self._first = first
        self._finished = finished
        self._told = False
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def _block(self) -> memoryview:
        """The next bytes as they come; empty at the end."""
        while not self._rest and not self._body.ended:
            data, self._first = self._first or _receive(self._lent), b""
            if not data:
                raise InvalidArgument("unexpected EOF")
            self._rest = memoryview(self._body.feed(data))
        if self._body.ended and not self._told:
            self._told = True
            self._finished(self._body.rest + self._first)
        return self._rest

    def read(self, size: int | None = -1) -> bytes:
        missing = size if size is not None and size >= 0 else 1 << 62
        parts = []
        while missing and (block := self._block()):
            parts.append(block[:missing])
            self._rest = block[missing:]
            missing -= len(parts[-1])
        return bytes(parts[0]) if len(parts) == 1 else b"".join(parts)

    def read1(self, size: int = -1) -> bytes:
        block = self._block()
        taken = block[:size] if size >= 0 else block
        self._rest = block[len(taken) :]
        return bytes(taken)

    def readinto(self, buffer: Buffer) -> int:
        target = memoryview(buffer).cast("B")
        filled = 0
        while filled < len(target) and (block := self._block()):
            taken = block[: len(target) - filled]
            target[filled : filled + len(taken)] = taken
            self._rest = block[len(taken) :]
            filled += len(taken)
        return filled

    def close(self) -> None:
        self._lent.close()
        super().close()


class ReplyWriter(io.BufferedIOBase):
    """The reply's body, chunked unless the client speaks HTTP/1.0.

    Nothing is sent before 64 KiB are written or `finish` is called: an early failure can still become an error reply.

    Args:
        lent: the client's socket, closed with this object.
        head: status line and headers, sent before the first byte.

    Raises:
        Cancelled: the client went away.
    """

    def __init__(self, lent: socket.socket, head: bytes, *, chunked: bool) -> None:
        super().__init__()
        self._lent = lent
        self._head = head
        self._chunked = chunked
        self._small = bytearray()
        self.started = False

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer) -> int:
        view = memoryview(data).cast("B")
        if len(self._small) + len(view) < SMALL_WRITES:
            self._small += view
        else:
            self._send_chunk(view)
        return len(view)

    def flush(self) -> None:
        """Nothing: blocks are sent when they are full."""

    def finish(self) -> None:
        """Send what is left and the end of the body."""
        self._send_chunk(memoryview(b""), last=True)

    def _send_chunk(self, view: memoryview, *, last: bool = False) -> None:
        size = len(self._small) + len(view)
        parts: list[Buffer] = [] if self.started else [self._head]
        self.started = True
        if self._chunked and size:
            parts += [b"%x\r\n" % size, self._small, view, b"\r\n"]
        else:
            parts += [self._small, view]
        if last and self._chunked:
            parts.append(b"0\r\n\r\n")
        self._send([memoryview(part) for part in parts if memoryview(part)])
        self._small = bytearray()

    def _send(self, parts: list[memoryview]) -> None:
        while parts:
            try:
                sent = self._lent.sendmsg(parts, [], socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
            except BlockingIOError:
                _wait(self._lent, select.POLLOUT)
                continue
            except ConnectionError:
                raise Cancelled("the client went away") from None
            while parts and sent >= len(parts[0]):
                sent -= len(parts.pop(0))
            if sent:
                parts[0] = parts[0][sent:]

    def close(self) -> None:
        if not self.closed:
            self._lent.close()
        super().close()
