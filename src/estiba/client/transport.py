"""One HTTP/1.1 connection to an engine: a request out, a reply in, streams both ways, and taking the connection over
("hijack").

Lifecycle of a Connection: connect → (send → receive → read the body to its end)* → close, or connect → upgrade → raw
bytes → close.

Only what engines speak is understood: Content-Length, chunked, and bodies that end with the connection. The module is
part of the command's start, so it uses ``_socket`` (the C half of ``socket``, without its 7 ms of enum, selectors and
makefile) and loads nothing else.
"""

from __future__ import annotations

import _socket
import os

from estiba.errors import EstibaError, InvalidArgument, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BLOCK = 1 << 18
_NO_BODY = (204, 304)


class ResponseError(EstibaError):
    """The engine answered with an error. ``status`` is the HTTP status, ``message`` the engine's own sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Disconnected(Unavailable):
    """The connection ended before the reply was whole."""


class Unreachable(Unavailable):
    """Nobody listens at the address; ``reason`` is the errno."""

    def __init__(self, message: str, reason: int) -> None:
        super().__init__(message)
        self.reason = reason


def connect(host: str) -> _socket.socket:
    """Open a stream socket to ``unix:///path`` or ``tcp://host:port``.

    Raises:
        InvalidArgument: the address has another form.
        Unreachable: the connection was refused.
    """
    scheme, _, rest = host.partition("://")
    if scheme == "unix":
        return _open(_socket.AF_UNIX, rest, host)
    if scheme == "tcp":
        name, _, port = rest.partition("/")[0].rpartition(":")
        return _open_tcp(name.strip("[]") or "127.0.0.1", port or "2375", host)
    raise InvalidArgument(f"cannot connect to {host!r}: give unix:///PATH or tcp://HOST:PORT")


def _open(family: int, address: str | tuple[object, ...], host: str) -> _socket.socket:
    sock = _socket.socket(family, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    try:
        sock.connect(address)
    except OSError as error:
        sock.close()
        raise Unreachable(f"cannot connect to {host}: {error.strerror or error}", error.errno or 0) from error
    return sock


def _open_tcp(name: str, port: str, host: str) -> _socket.socket:
    try:
        found = _socket.getaddrinfo(name, port, 0, _socket.SOCK_STREAM)
    except OSError as error:
        raise Unreachable(f"cannot find {name}: {error.args[-1]}", error.errno or 0) from error
    failure = Unreachable(f"{name} has no address", 0)
    for family, _, _, _, address in found:
        try:
            return _open(family, address, host)
        except Unreachable as error:
            failure = error
    raise failure


class Response:
    """A reply whose status and headers are there and whose body is still on the wire.

    Attributes:
        status: HTTP status.
        headers: names in lower case.
    """

    def __init__(self, connection: Connection, status: int, headers: dict[str, str], *, empty: bool) -> None:
        self.connection = connection
        self.status = status
        self.headers = headers
        self.keep_alive = headers.get("connection", "").lower() != "close"
        if empty or status in _NO_BODY:
            self._blocks: Iterator[bytes] = iter(())
        elif headers.get("transfer-encoding", "").lower() == "chunked":
            self._blocks = connection.chunks()
        elif "content-length" in headers:
            self._blocks = connection.counted(int(headers["content-length"]))
        else:
            self.keep_alive = False
            self._blocks = connection.rest()

    def blocks(self) -> Iterator[bytes]:
        """The body piece by piece, as it arrives. Raises Disconnected when it ends too early."""
        return self._blocks

    def read(self) -> bytes:
        """The whole body."""
        return b"".join(self._blocks)

    def lines(self) -> Iterator[bytes]:
        """The body line by line, each as soon as it is whole; without the line end, empty lines left out."""
        held = b""
        for block in self._blocks:
            *whole, held = (held + block).split(b"\n")
            for line in whole:
                if line.strip():
                    yield line.strip()
        if held.strip():
            yield held.strip()

    def close(self) -> None:
        self.connection.close()


class Connection:
    """One connection. Not thread-safe; who opens it closes it."""

    def __init__(self, sock: _socket.socket) -> None:
        self.sock = sock
        self._held = b""  # bytes that were read beyond what was asked for

    def fileno(self) -> int:
        return self.sock.fileno()

    def close(self) -> None:
        self.sock.close()

    def holds_data(self) -> bool:
        """Were bytes read that nobody asked for yet? (poll will not tell)"""
        return bool(self._held)

    def send(self, method: str, target: str, headers: dict[str, str], body: bytes | Iterable[bytes] | None) -> None:
        """Write a request. A body that is not bytes goes out chunked, block by block."""
        lines = [f"{method} {target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body is None:
            if method != "GET" and method != "HEAD":
                lines.append("Content-Length: 0")
            body = b""
        elif isinstance(body, bytes):
            lines.append(f"Content-Length: {len(body)}")
        else:
            lines.append("Transfer-Encoding: chunked")
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        if isinstance(body, bytes):
            self._sendall(head + body)
            return
        self._sendall(head)
        try:
            for block in body:
                if block:
                    self._sendall(b"%x\r\n" % len(block) + block + b"\r\n")
            self._sendall(b"0\r\n\r\n")
        except Disconnected:
            pass  # an engine that refuses an upload answers first and hangs up then: the reply says why

    def _sendall(self, data: bytes) -> None:
        try:
            self.sock.sendall(data, _socket.MSG_NOSIGNAL)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Disconnected("the engine closed the connection") from error

    def receive(self, method: str = "GET") -> Response:
        """Read status line and headers of the reply (100 Continue is skipped)."""
        while True:
            head = self._head()
            status_line, _, fields = head.partition("\r\n")
            version_and_status = status_line.split(" ", 2)
            if len(version_and_status) < 2 or not version_and_status[0].startswith("HTTP/1."):
                raise Disconnected(f"the peer does not speak HTTP: {status_line[:60]!r}")
            status = int(version_and_status[1])
            headers = {}
            for field in fields.split("\r\n"):
                name, _, value = field.partition(":")
                headers[name.lower()] = value.strip()
            if status != 100:
                return Response(self, status, headers, empty=method == "HEAD" or status == 101)

    def upgraded(self) -> tuple[_socket.socket, bytes]:
        """Give the socket away after a 101 (or a 200 without length): the socket and the stream's first bytes."""
        held, self._held = self._held, b""
        return self.sock, held

    def _head(self) -> str:
        while b"\r\n\r\n" not in self._held:
            if not self._fill():
                raise Disconnected("the engine closed the connection without an answer")
        head, _, self._held = self._held.partition(b"\r\n\r\n")
        return head.decode("latin-1")

    def _fill(self) -> bool:
        try:
            block = self.sock.recv(BLOCK)
        except ConnectionResetError:
            return False
        self._held += block
        return bool(block)

    def _some(self) -> bytes:
        if not self._held and not self._fill():
            raise Disconnected("the engine closed the connection in the middle of its answer")
        held, self._held = self._held, b""
        return held

    def _line(self) -> bytes:
        while b"\r\n" not in self._held:
            if not self._fill():
                raise Disconnected("the engine closed the connection in the middle of its answer")
        line, _, self._held = self._held.partition(b"\r\n")
        return line

    def counted(self, length: int) -> Iterator[bytes]:
        """A body of known length."""
        while length:
            block = self._some()
            if len(block) > length:
                block, self._held = block[:length], block[length:]
            length -= len(block)
            yield block

    def chunks(self) -> Iterator[bytes]:
        """A chunked body; a large chunk comes in several pieces."""
        while size := int(self._line().partition(b";")[0], 16):
            yield from self.counted(size)
            self._line()
        while self._line():  # trailers
            pass

    def rest(self) -> Iterator[bytes]:
        """A body that ends with the connection."""
        while self._held or self._fill():
            held, self._held = self._held, b""
            yield held


def read_file(path: str) -> Iterator[bytes]:
    """The content of a file in blocks, as a request body; ``-`` is standard input."""
    descriptor = 0 if path == "-" else os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while block := os.read(descriptor, BLOCK):
            yield block
    finally:
        if descriptor:
            os.close(descriptor)
