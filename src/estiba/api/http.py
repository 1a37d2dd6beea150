"""HTTP/1.1 for Docker's clients on asyncio: h11 reads what clients send, the few forms of replies are written here.

A connection serves one request after the other. A reply is sent whole, streamed from the loop (chunked), streamed by a
worker thread (streams.py), or the connection is taken over: after a 101 or an endless 200 the socket leaves the loop.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

import h11

from estiba.api.framing import framing
from estiba.api.query import Query, unescape
from estiba.api.streams import BodyReader, ReplyWriter
from estiba.errors import Cancelled, InvalidArgument
from estiba.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

log = logging.getLogger("estiba.api")

API_VERSION = "1.51"
OLDEST_API_VERSION = "1.24"
JSON = "application/json"
RAW_STREAM = "application/vnd.docker.raw-stream"
MULTIPLEXED_STREAM = "application/vnd.docker.multiplexed-stream"

# Go's server takes a megabyte of head; nobody needs more
HEAD_BYTES = 1 << 20
HEAD_SECONDS = 30.0
BODY_BYTES = 16 << 20
BUFFERED_BYTES = 256 * 1024
LINGER_SECONDS = 10.0

_SERVER = f"Estiba/{VERSION} (linux)"
_COMMON = f"Api-Version: {API_VERSION}\r\nDocker-Experimental: false\r\nOstype: linux\r\nServer: {_SERVER}\r\n"
_REASONS = {status.value: status.phrase for status in HTTPStatus} | {499: "Client Closed Request"}
_BODILESS = frozenset({204, 304})


class BodyTooLarge(InvalidArgument):
    """A request body beyond the limit of its route."""

    status = 413


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply."""

    status: int
    body: bytes = b""
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Taken:
    """A connection that left the loop: its blocking descriptor, now the holder's, and what the client sent ahead."""

    descriptor: int
    first: bytes

    def send(self, data: bytes) -> None:
        """Write everything, blocking; a client that went away is no error."""
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self.descriptor, view) :]
        except OSError:
            pass

    def close(self) -> None:
        """Hang up."""
        os.close(self.descriptor)


@dataclass(frozen=True, slots=True)
class Request:
    """The head of a request. path is decoded, without the query; headers' names are lower case."""

    method: str
    path: str
    query: Query
    headers: Mapping[bytes, bytes]
    http_version: str

    def header(self, name: str) -> str:
        """A header's value, "" when absent."""
        return self.headers.get(name.encode(), b"").decode("latin-1")

    @property
    def upgrade(self) -> bool:
        """Does the client ask to leave HTTP? Docker takes any protocol's name."""
        return bool(self.header("upgrade"))


_date = (0, "")


def _date_line() -> str:
    global _date
    now = int(time.time())
    if _date[0] != now:
        _date = (now, time.strftime("Date: %a, %d %b %Y %H:%M:%S GMT\r\n", time.gmtime(now)))
    return _date[1]


def common_headers() -> bytes:
    """What every usual reply says of the engine."""
    return _COMMON.encode()


def reply_head(version: str, status: int, headers: tuple[tuple[str, str], ...], *, common: bool = True) -> bytes:
    """Status line and headers, with the empty line."""
    lines = [f"HTTP/{version} {status} {_REASONS.get(status, 'Unknown')}\r\n"]
    if common:
        lines += (_COMMON, _date_line())
    lines += [f"{name}: {value}\r\n" for name, value in headers]
    lines.append("\r\n")
    return "".join(lines).encode("latin-1", "replace")


class Exchange:
    """One request and its reply.

    Attributes:
        request: the head.
        name: the variable part of the path, set by the router.
        version: the API version asked for, as numbers, set by the router.
        started: bytes of the reply were sent; an error can no longer be one.
        reusable: the connection may serve another request.
    """

    def __init__(self, connection: Connection, parser: h11.Connection, request: Request) -> None:
        self._connection = connection
        self._parser = parser
        self.request = request
        self.name = ""
        self.version: tuple[int, ...] = ()
        self.started = False
        self._following: bytes | None = None
        close = b"close" in request.headers.get(b"connection", b"").lower()
        self.reusable = request.http_version == "1.1" and not close

    @property
    def gone(self) -> asyncio.Future[None]:
        """Done when the client has hung up or sent its last byte."""
        return self._connection.gone

    # ---- the request's body ----

    @property
    def has_body(self) -> bool:
        """Does the request announce a body?"""
        headers = self.request.headers
        return b"transfer-encoding" in headers or headers.get(b"content-length", b"0").strip(b"0") != b""

    async def body(self, limit: int = BODY_BYTES) -> bytes:
        """The whole body. Raises BodyTooLarge, and InvalidArgument when it breaks off."""
        announced = self.request.headers.get(b"content-length", b"0")
        if int(announced) > limit:
            raise BodyTooLarge(f"request body too large: the limit is {limit} bytes")
        self._continue()
        parts = bytearray()
        try:
            while isinstance(event := await self._connection.next_event(self._parser), h11.Data):
                parts += event.data
                if len(parts) > limit:
                    raise BodyTooLarge(f"request body too large: the limit is {limit} bytes")
        except h11.RemoteProtocolError:
            raise InvalidArgument("unexpected EOF") from None
        return bytes(parts)

    def body_reader(self) -> BodyReader:
        """The body for a worker thread; close it. The loop reads nothing from the client before the body's end."""
        self._continue()
        loop = asyncio.get_running_loop()
        lent, first = self._connection.lend_all(self._parser)

        def finished(following: bytes) -> None:
            self._following = following
            loop.call_soon_threadsafe(self._connection.read_again)

        return BodyReader(lent, framing(self.request.headers), first, finished)

    def _continue(self) -> None:
        if self._parser.they_are_waiting_for_100_continue:
            self._connection.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    # ---- the reply ----

    def head(self, status: int, headers: tuple[tuple[str, str], ...], *, common: bool = True) -> bytes:
        """Status line and headers in the client's HTTP version."""
        version = self.request.http_version
        if not self.reusable:
            headers = (*headers, ("Connection", "close"))
        return reply_head("1.0" if version == "1.0" else "1.1", status, headers, common=common)

    async def send(self, reply: Reply) -> None:
        """A whole reply."""
        headers = list(reply.headers)
        body = b"" if reply.status in _BODILESS else reply.body
        if body:
            headers.append(("Content-Type", reply.content_type))
        if reply.status not in _BODILESS:
            headers.append(("Content-Length", str(len(body))))
        if not self._body_is_read():
            self.reusable = False
        head = self.head(reply.status, tuple(headers))
        self.started = True
        await self._connection.send(head if self.request.method == "HEAD" else head + body)

    async def begin(self, status: int = 200, content_type: str = JSON) -> None:
        """The head of a streamed reply, sent at once."""
        chunked = self.request.http_version == "1.1"
        coding = (("Transfer-Encoding", "chunked"),) if chunked else ()
        self.started = True
        await self._connection.send(self.head(status, (("Content-Type", content_type), *coding)))

    async def write(self, data: bytes) -> None:
        """A part of a streamed reply; waits while the client does not read."""
        await self._connection.send(b"%x\r\n%b\r\n" % (len(data), data) if self.request.http_version == "1.1" else data)

    async def end(self) -> None:
        """The end of a streamed reply."""
        if not self._body_is_read():
            self.reusable = False
        if self.request.http_version == "1.1":
            await self._connection.send(b"0\r\n\r\n")

    def writer(self, content_type: str, headers: tuple[tuple[str, str], ...] = ()) -> ReplyWriter:
        """A streamed reply for a worker thread; finish and close it. Then set `started` from it."""
        chunked = self.request.http_version == "1.1"
        coding = (("Transfer-Encoding", "chunked"),) if chunked else ()
        head = self.head(200, (("Content-Type", content_type), *headers, *coding))
        return ReplyWriter(self._connection.lend(), head, chunked=chunked)

    async def take(self, head: bytes) -> Taken:
        """Send `head` and take the connection out of the loop. The caller owns the descriptor."""
        self.started, self.reusable = True, False
        await self._connection.send(head)
        return self._connection.take(self._parser)

    def cut(self) -> None:
        """Break the connection off: the client sees that the reply is not whole."""
        self.reusable = False
        self._connection.abort()

    # ---- the connection's ----

    def _body_is_read(self) -> bool:
        if self._connection.lent:
            return False
        if self._following is not None:
            return True
        try:
            while self._parser.their_state is h11.SEND_BODY:
                if self._parser.next_event() is h11.NEED_DATA:
                    return False
        except h11.RemoteProtocolError:
            return False
        return self._parser.their_state is not h11.ERROR

    def successor(self) -> h11.Connection:
        """A parser for the next request, with the bytes that already came."""
        following = new_parser()
        data = self._following if self._following is not None else bytes(self._parser.trailing_data[0])
        if data:
            following.receive_data(data)
        return following


def new_parser() -> h11.Connection:
    """A parser for one request."""
    return h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES)


class Connection(asyncio.Protocol):
    """A client's connection.

    Args:
        answer: answers one exchange; must not raise but for cancellation.
        start: runs the connection's life as an owned task.
    """

    transport: asyncio.Transport

    def __init__(
        self,
        answer: Callable[[Exchange], Awaitable[None]],
        start: Callable[[Connection], None],
    ) -> None:
        self._answer = answer
        self._start = start
        self._incoming = bytearray()
        self._ended = False
        self._waiting: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self.lent = False
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    # ---- called by the loop ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._start(self)

    def data_received(self, data: bytes) -> None:
        self._incoming += data
        if len(self._incoming) > BUFFERED_BYTES:
            self.transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        self._end()
        return True

    def connection_lost(self, _error: Exception | None) -> None:
        self._end()
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    def pause_writing(self) -> None:
        self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    def _end(self) -> None:
        self._ended = True
        if not self.gone.done():
            self.gone.set_result(None)
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    # ---- bytes ----

    async def _receive(self) -> bytes:
        """What has arrived, at least one byte; b"" at the end."""
        while not self._incoming and not self._ended:
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        data = bytes(self._incoming)
        self._incoming.clear()
        if not self.transport.is_closing():
            self.transport.resume_reading()
        return data

    async def send(self, data: bytes) -> None:
        """Write, and wait while too much is unsent. Raises Cancelled when the client has hung up."""
        if self.transport.is_closing():
            raise Cancelled("the client went away")
        self.transport.write(data)
        if self._writable is not None:
            await self._writable

    async def next_event(self, parser: h11.Connection) -> h11.Event | type[h11.PAUSED]:
        """The parser's next event, reading as much as it needs."""
        while (event := parser.next_event()) is h11.NEED_DATA:
            parser.receive_data(await self._receive())
        assert event is not h11.NEED_DATA
        return event  # type: ignore[return-value]  # h11's sentinels are types to mypy

    def lend(self) -> socket.socket:
        """A second handle on the socket, for writing."""
        lent: socket.socket = self.transport.get_extra_info("socket").dup()
        return lent

    def lend_all(self, parser: h11.Connection) -> tuple[socket.socket, bytes]:
        """A second handle whose holder reads while the loop does not, and what has come behind the parsed head."""
        self.transport.pause_reading()
        self.lent = True
        first = bytes(parser.trailing_data[0]) + bytes(self._incoming)
        self._incoming.clear()
        return self.lend(), first

    def read_again(self) -> None:
        """The holder of the lent socket has read the body to its end."""
        self.lent = False
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def take(self, parser: h11.Connection) -> Taken:
        """The socket leaves the loop for good."""
        self.transport.pause_reading()
        first = bytes(parser.trailing_data[0]) + bytes(self._incoming)
        descriptor = os.dup(self.transport.get_extra_info("socket").fileno())
        os.set_blocking(descriptor, True)
        # closes the loop's own descriptor only
        self.transport.abort()
        return Taken(descriptor, first)

    def abort(self) -> None:
        """Close at once, also for the holders of lent handles."""
        if not self.transport.is_closing():
            try:
                self.transport.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            self.transport.abort()

    # ---- life ----

    async def serve(self) -> None:
        """Answer requests until the connection ends."""
        parser = new_parser()
        try:
            while (request := await self._request(parser)) is not None:
                exchange = Exchange(self, parser, request)
                await self._answer(exchange)
                if not exchange.reusable:
                    break
                parser = exchange.successor()
        except h11.RemoteProtocolError as error:
            self._refuse(str(error), error.error_status_hint)
        except TimeoutError:
            self._refuse("the request's head did not arrive in time", 408)
        except (Cancelled, ConnectionError):
            pass
        finally:
            await self._close()

    async def _request(self, parser: h11.Connection) -> Request | None:
        """The next request's head; None at the end."""
        event = parser.next_event()
        if event is h11.NEED_DATA:
            parser.receive_data(await self._receive())
            event = parser.next_event()
        if event is h11.NEED_DATA:
            async with asyncio.timeout(HEAD_SECONDS):
                event = await self.next_event(parser)
        if not isinstance(event, h11.Request):
            return None
        target = event.target.decode("latin-1")
        if "://" in target and not target.startswith("/"):
            target = "/" + target.partition("://")[2].partition("/")[2]
        path, _, query = target.partition("?")
        try:
            decoded = unescape(path)
        except InvalidArgument as error:
            raise h11.RemoteProtocolError(error.message) from None
        version = event.http_version.decode()
        return Request(event.method.decode(), decoded, Query(query), dict(event.headers), version)

    def _refuse(self, reason: str, status: int) -> None:
        """Answer what is no HTTP request, as Go's server does: the reason in the status line."""
        detail = {"Missing mandatory Host: header": ": missing required Host header"}.get(reason, "")
        line = f"{status} {_REASONS.get(status, 'Bad Request')}{detail}"
        head = f"HTTP/1.1 {line}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n{line}"
        if not self.transport.is_closing():
            self.transport.write(head.encode())

    async def _close(self) -> None:
        """Close so that the client can read the reply though we have not read all that it sent."""
        if not self.transport.is_closing():
            if self.lent:
                self.read_again()
            if not self._ended and self.transport.can_write_eof():
                self.transport.write_eof()
                try:
                    async with asyncio.timeout(LINGER_SECONDS):
                        while await self._receive():
                            pass
                except TimeoutError:
                    pass
            self.transport.close()
