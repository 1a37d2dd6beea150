"""A hijacked stream of attach or exec on the user's side: typed bytes in, the program's output out, one poll step at
a time.

Without a terminal the engine's bytes are frames (stream, three zeros, length, payload): ``docker-clients`` calls it
multiplexed.
"""

from __future__ import annotations

import os
import select

from estiba.cli.session import CommandError
from estiba.cli.terminal import KeyWatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket

BLOCK = 1 << 18
_HEADER = 8
_SYSTEM_ERROR = 3
_MSG_NOSIGNAL, _MSG_DONTWAIT = 0x4000, 0x40
_SHUT_WRITE = 1


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write everything, also to a descriptor that is not blocking (a shell may share its terminal so)."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            ready = select.poll()
            ready.register(descriptor, select.POLLOUT)
            ready.poll()


class Demultiplexer:
    """Takes frames apart and writes their payloads to stdout and stderr (None: discarded)."""

    def __init__(self, stdout: int | None, stderr: int | None) -> None:
        self._targets = {0: stdout, 1: stdout, 2: stderr, _SYSTEM_ERROR: None}
        self._held = b""  # an incomplete header
        self._left = 0  # bytes missing of the frame's payload
        self._kind = 1
        self._failure = b""

    def feed(self, data: bytes) -> None:
        """Raises CommandError when the engine reports that it cannot go on."""
        view = memoryview(self._held + data if self._held else data)
        self._held = b""
        while view:
            if not self._left:
                if len(view) < _HEADER:
                    self._held = bytes(view)
                    return
                self._kind, self._left = view[0], int.from_bytes(view[4:_HEADER], "big")
                view = view[_HEADER:]
                if self._kind not in self._targets:
                    raise CommandError(f"Unrecognized input header: {self._kind}")
                continue
            payload, view = view[: self._left], view[self._left :]
            self._left -= len(payload)
            self._deliver(payload)

    def _deliver(self, payload: memoryview) -> None:
        if self._kind == _SYSTEM_ERROR:
            self._failure += bytes(payload)
            if not self._left:
                raise CommandError("error from daemon in stream: " + self._failure.decode("utf-8", "replace"))
            return
        target = self._targets[self._kind]
        if target is not None:
            write_all(target, payload)


class Stream:
    """One hijacked connection.

    Attributes:
        ended: the engine sent all its output and closed.
        detached: the user typed the detach keys.
    """

    def __init__(
        self,
        connection: tuple[_socket.socket, bytes],
        *,
        tty: bool,
        stdin: bool,
        stdout: bool = True,
        stderr: bool = True,
        detach_keys: bytes = b"",
    ) -> None:
        self.socket, first = connection
        self.ended = False
        self.detached = False
        self._frames = None if tty else Demultiplexer(1 if stdout else None, 2 if stderr else None)
        self._stdout = 1 if stdout else None
        self._keys = KeyWatch(detach_keys) if tty and detach_keys else None
        self._pending = b""
        self._reading_stdin = stdin
        self._half_closed = False
        if not stdin:
            self._close_input()
        if first:
            self._output(first)

    def close(self) -> None:
        self.socket.close()

    def register(self, poll: select.poll, known: dict[int, int]) -> None:
        """Say what to wait for: output always, room for input while some is pending, stdin only then not."""
        wanted = {} if self.ended else {self.socket.fileno(): select.POLLIN | (select.POLLOUT if self._pending else 0)}
        if self._reading_stdin and not self._pending and not self.ended:
            wanted[0] = select.POLLIN
        for descriptor in (0, self.socket.fileno()):
            mask = wanted.get(descriptor, 0)
            if known.get(descriptor, 0) != mask:
                if mask:
                    poll.register(descriptor, mask)
                else:
                    poll.unregister(descriptor)
                known[descriptor] = mask

    def handle(self, descriptor: int, events: int) -> bool:
        """Act on a poll event; False when it is not ours."""
        if descriptor == self.socket.fileno():
            if events & select.POLLOUT:
                self._send()
            if events & ~select.POLLOUT:
                self._receive()
            return True
        if descriptor == 0 and self._reading_stdin:
            self._read_stdin()
            return True
        return False

    def _receive(self) -> None:
        try:
            data = self.socket.recv(BLOCK)
        except ConnectionResetError:
            data = b""
        if data:
            self._output(data)
        else:
            self.ended = True

    def _output(self, data: bytes) -> None:
        if self._frames is not None:
            self._frames.feed(data)
        elif self._stdout is not None:
            write_all(self._stdout, data)

    def _read_stdin(self) -> None:
        try:
            data = os.read(0, BLOCK)
        except BlockingIOError:
            return
        except OSError:  # closed, or a terminal that went away
            data = b""
        if not data:
            self._reading_stdin = False
            self._close_input()
            return
        if self._keys is not None:
            data, self.detached = self._keys.feed(data)
            self._reading_stdin = not self.detached
        self._pending += data
        if self._pending:
            self._send()

    def _send(self) -> None:
        try:
            sent = self.socket.send(self._pending, _MSG_NOSIGNAL | _MSG_DONTWAIT)
        except BlockingIOError:
            return
        except (BrokenPipeError, ConnectionResetError):  # nobody reads it any more: the output says why
            self._pending, self._reading_stdin = b"", False
            return
        self._pending = self._pending[sent:]

    def _close_input(self) -> None:
        if not self._half_closed:
            self._half_closed = True
            try:
                self.socket.shutdown(_SHUT_WRITE)
            except OSError:
                pass
