"""A program in a container as a handle: its streams as files, its end as an exit code."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Self

from estiba.errors import EstibaError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

STDOUT, STDERR = 1, 2
_BLOCK = 1 << 16


class Timeout(EstibaError):
    """It did not end in time; it still runs."""

    status = 504


class Demultiplexer:
    """Splits a connection into stdout and stderr; whoever reads one keeps what belongs to the other."""

    def __init__(self, connection: socket.socket, *, framed: bool) -> None:
        self._connection = connection
        self._framed = framed
        self._lock = threading.Lock()
        self._kept: dict[int, deque[bytes]] = {STDOUT: deque(), STDERR: deque()}
        self._ended = False
        self.deadline: float | None = None

    def read(self, stream: int) -> bytes:
        """The next piece of a stream; b"" at its end. Raises Timeout at the deadline (monotonic seconds)."""
        while True:
            with self._lock:
                if self._kept[stream]:
                    return self._kept[stream].popleft()
                if self._ended:
                    return b""
                found, data = self._next()
                if not data:
                    self._ended = True
                elif found == stream:
                    return data
                else:
                    self._kept[found].append(data)

    def _next(self) -> tuple[int, bytes]:
        if not self._framed:
            return STDOUT, self._receive(_BLOCK)
        head = self._exactly(8)
        if not head:
            return STDOUT, b""
        return (STDERR if head[0] == STDERR else STDOUT), self._exactly(int.from_bytes(head[4:8], "big"))

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            block = self._receive(size - len(data))
            if not block:
                return b""
            data += block
        return bytes(data)

    def _receive(self, size: int) -> bytes:
        if self.deadline is not None:
            self._connection.settimeout(max(0.001, self.deadline - time.monotonic()))
        try:
            return self._connection.recv(size)
        except TimeoutError:
            raise Timeout("the program still runs at the deadline; kill() ends it") from None
        except OSError:
            return b""


class Output:
    """One of a program's outputs: iterate over its lines (text), `read()` all of it, or `read_bytes()`."""

    def __init__(self, source: Demultiplexer, stream: int) -> None:
        self._source = source
        self._stream = stream
        self._rest = b""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        while b"\n" not in self._rest:
            data = self._source.read(self._stream)
            if not data:
                line, self._rest = self._rest, b""
                if not line:
                    raise StopIteration
                return line.decode("utf-8", "replace")
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode("utf-8", "replace") + "\n"

    def read_bytes(self, limit: int = -1) -> bytes:
        """Everything up to the end, or the next `limit` bytes at the most (what is beyond stays to be read)."""
        parts = [self._rest]
        size = len(self._rest)
        self._rest = b""
        while (limit < 0 or size < limit) and (data := self._source.read(self._stream)):
            parts.append(data)
            size += len(data)
        whole = b"".join(parts)
        if 0 <= limit < len(whole):
            whole, self._rest = whole[:limit], whole[limit:]
        return whole

    def read(self) -> str:
        """Everything up to the end, as text."""
        return self.read_bytes().decode("utf-8", "replace")


class Input:
    """A program's stdin: `write` text or bytes, `close` for end of file."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def write(self, data: str | bytes) -> None:
        """Send all of it; raises BrokenPipeError when the program has closed its stdin or ended."""
        self._connection.sendall(data.encode() if isinstance(data, str) else data)

    def close(self) -> None:
        """End of file; idempotent."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class Process:
    """A running (or ended) program of a container.

    Attributes:
        stdin: None unless it was opened.
        stdout, stderr: outputs; with a terminal everything is stdout.
    """

    def __init__(
        self,
        connection: socket.socket,
        *,
        tty: bool,
        stdin: bool,
        wait: Callable[[float | None], int | None],
        kill: Callable[[str], None],
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self._connection = connection
        self._source = source = Demultiplexer(connection, framed=not tty)
        self.stdin = Input(connection) if stdin else None
        self.stdout = Output(source, STDOUT)
        self.stderr = Output(source, STDERR)
        self.returncode: int | None = None
        self._wait = wait
        self._kill = kill
        self._close = close

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, when it has ended. Raises Timeout."""
        if self.returncode is None:
            code = self._wait(timeout)
            if code is None:
                raise Timeout(f"the program still runs after {timeout} s; kill() ends it")
            self.returncode = code
        return self.returncode

    def poll(self) -> int | None:
        """Its exit code if it has ended, else None."""
        with contextlib.suppress(Timeout):
            return self.wait(0)
        return None

    def kill(self, signal: str = "KILL") -> None:
        """Send it a signal."""
        self._kill(signal)

    def communicate(self, data: str | bytes | None = None, timeout: float | None = None) -> tuple[bytes, bytes]:
        """Send data and end of file, read both outputs to their ends, wait. Raises Timeout."""
        deadline = None if timeout is None else time.monotonic() + timeout
        sender = threading.Thread(target=self._feed, args=(data,), name="estiba-stdin") if self.stdin else None
        if sender is not None:
            sender.start()
        self._source.deadline = deadline
        try:
            out = self.stdout.read_bytes()
            err = self.stderr.read_bytes()
            self.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
        except Timeout:
            self._connection.shutdown(socket.SHUT_RDWR)  # lets a sender go that waits for the program to read
            raise
        finally:
            if sender is not None:
                sender.join()
        return out, err

    def _feed(self, data: str | bytes | None) -> None:
        if self.stdin is not None:
            with contextlib.suppress(OSError):
                if data:
                    self.stdin.write(data)
                self.stdin.close()

    def close(self) -> None:
        """Let go of the streams, and of what was made for this process. Idempotent."""
        self._connection.close()
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
