"""A living shim as seen from here: requests to it, its events, attachments of clients.

A Shim is made by a start, an exec or an adoption, is watched through `fileno()` by whoever waits, and is `close()`d
when its Exited (or Lost) has been dealt with: not before, for the shim hangs up on the attached clients once that is
done, so that they find the new state when they look. Closing it earlier lets go of the shim; the container lives on.
"""

from __future__ import annotations

import errno
import os
import random
import socket
import struct
import threading
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, Union

from estiba.errors import Conflict, InvalidArgument, SystemFailure
from estiba.linux import sockets
from estiba.linux.pidfd import open_of_process
from estiba.runtime import protocol
from estiba.runtime.protocol import Attach, Message, Type

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_GONE: Final = (errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.EBADF)
_STATES: Final[tuple[Literal["waiting", "running", "exited"], ...]] = ("waiting", "running", "exited")


@dataclass(frozen=True)
class Attachment:
    """A client's socket for the streams of a container or exec.

    The descriptor is given away when the request that carries it succeeds; else it stays the caller's. framed: output
    in Docker's frames with 8-byte headers. detach_keys are heeded with a terminal and stdin only. first: what the
    client had already sent (at most 4,064 bytes with the keys). held: nothing is sent until `Shim.release`.
    """

    descriptor: int
    stdin: bool
    stdout: bool
    stderr: bool
    framed: bool
    detach_keys: bytes | None = None
    first: bytes = b""
    held: bool = False

    def request(self, number: int) -> Message:
        """The ATTACH message; raises InvalidArgument for keys or first bytes that are too long."""
        keys = self.detach_keys or b""
        if len(keys) > protocol.KEYS_SIZE:
            raise InvalidArgument(f"cannot use detach keys of {len(keys)} bytes: {protocol.KEYS_SIZE} is the most")
        if len(keys) + len(self.first) > protocol.PAYLOAD_SIZE:
            raise InvalidArgument(f"cannot pass on {len(self.first)} bytes of stdin with an attachment")
        flags = Attach(0)
        for wanted, flag in (
            (self.stdin, Attach.STDIN),
            (self.stdout, Attach.STDOUT),
            (self.stderr, Attach.STDERR),
            (self.framed, Attach.FRAMED),
            (bool(keys), Attach.KEYS),
            (self.held, Attach.HELD),
        ):
            flags |= flag if wanted else Attach(0)
        return Message(Type.ATTACH, number, b=len(keys), flags=flags, payload=keys + self.first)


@dataclass(frozen=True)
class Exited:
    """The program has ended and all its output was taken; wait_status is wait(2)'s, time_ns since the epoch."""

    wait_status: int
    oom_kills: int
    time_ns: int


@dataclass(frozen=True)
class Detached:
    """An attachment ended before the program did: by its detach keys, or because the client went away."""

    id: int
    by_keys: bool


@dataclass(frozen=True)
class OutOfMemory:
    """A process of the container was killed for want of memory; count is how many so far."""

    count: int


@dataclass(frozen=True)
class LogStalled:
    """The log cannot be written (ENOSPC, as a rule); output is lost, the program goes on."""

    errno: int


@dataclass(frozen=True)
class LogResumed:
    """The log is written again; so many bytes of it were lost."""

    dropped: int


@dataclass(frozen=True)
class Lost:
    """The shim's socket ended without an Exited: the exit record, if there is one, says how it ended."""


Event = Union[Exited, Detached, OutOfMemory, LogStalled, LogResumed, Lost]  # noqa: UP007 - a name for annotations


@dataclass(frozen=True)
class ShimState:
    """What the shim says of its program; wait_status is meant when exited."""

    state: Literal["waiting", "running", "exited"]
    pid: int
    wait_status: int


def _event(message: Message) -> Event | None:
    match message.type:
        case Type.EXITED:
            return Exited(message.a, message.b, message.c)
        case Type.DETACHED:
            return Detached(message.id, bool(message.a))
        case Type.OOM:
            return OutOfMemory(message.a)
        case Type.LOG_STALLED:
            return LogStalled(message.a)
        case Type.LOG_RESUMED:
            return LogResumed(message.a)
    return None


class Shim:
    """A control connection to a shim, owned with the pidfd of its program. Thread-safe.

    Attributes:
        pid: process id of the program (of the container's init).
        pidfd: descriptor of the same, owned by this object.
    """

    def __init__(self, connection: socket.socket, pid: int, pidfd: int) -> None:
        self.pid = pid
        self.pidfd = pidfd
        self._connection = connection
        self._lock = threading.Lock()
        self._events: deque[Event] = deque()
        self._next_id = random.getrandbits(30) | 1  # attachments of an earlier engine have ids too
        self._exited = False
        self._at_end = False
        timeout = struct.pack("ll", protocol.ANSWER_SECONDS, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeout)

    def __enter__(self) -> Shim:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def fileno(self) -> int:
        """The descriptor to wait at: readable when `read_events` has something."""
        return self._connection.fileno()

    def close(self) -> None:
        """Let go of the shim, which goes on by itself if its program does. Idempotent."""
        with self._lock:
            self._connection.close()
            if self.pidfd >= 0:
                os.close(self.pidfd)
                self.pidfd = -1

    def open_process(self) -> int:
        """Another pidfd of the program, owned by the caller. Raises Conflict when this object is closed."""
        with self._lock:
            if self.pidfd < 0:
                raise Conflict(f"process {self.pid} is not running")
            return os.dup(self.pidfd)

    def open_file(self, path: str) -> int:
        """Open /proc/PID/path of the program, read-only, owned by the caller. Raises Conflict when it has ended."""
        process = self.open_process()
        try:
            return open_of_process(self.pid, path, process)
        except ProcessLookupError:
            raise Conflict(f"process {self.pid} is not running") from None
        finally:
            os.close(process)

    def read_events(self) -> list[Event]:
        """What has happened since the last call, without waiting. After Exited or Lost nothing comes any more."""
        if not self._lock.acquire(blocking=False):
            return []  # a request reads; what it finds makes the descriptor readable again
        try:
            while self._connection.fileno() >= 0 and not self._at_end:
                try:
                    data, descriptor = sockets.receive(
                        self._connection, protocol.MESSAGE_SIZE, flags=socket.MSG_DONTWAIT
                    )
                except BlockingIOError:
                    break
                except OSError:
                    data, descriptor = b"", None
                if descriptor is not None:
                    os.close(descriptor)
                self._take(data)
            events = list(self._events)
            self._events.clear()
            return events
        finally:
            self._lock.release()

    def signal(self, number: int) -> None:
        """Send a signal to the program. Raises Conflict if it has ended."""
        self._request(Message(Type.SIGNAL, a=number))

    def stop(self, number: int, timeout_ms: int | None) -> None:
        """Send a signal, and KILL after the time (None: never), which the shim sees to even if this process ends."""
        self._request(Message(Type.STOP, a=number, b=protocol.NEVER if timeout_ms is None else max(0, timeout_ms)))

    def resize(self, rows: int, columns: int) -> None:
        """Set the size of the terminal. Raises Conflict without one."""
        self._request(Message(Type.RESIZE, a=rows, b=columns))

    def close_stdin(self) -> None:
        """Close the program's stdin; what attachments send from now on is thrown away."""
        self._request(Message(Type.CLOSE_STDIN))

    def set_log_rotation(self, max_size: int, max_files: int) -> None:
        """Change when the log is rotated, from now on; max_size -1: never."""
        self._request(Message(Type.LOG_ROTATION, a=max(max_size, 0), b=max_files))

    def attach(self, attachment: Attachment) -> tuple[int, int, int]:
        """Connect a client to the streams: (id, inode of the log, offset in it at which the stream begins).

        Raises Conflict when the program has ended or too many are attached; the descriptor then stays the caller's.
        """
        answer = self._request(attachment.request(0), attachment.descriptor)
        os.close(attachment.descriptor)
        return answer.id, answer.a, answer.b

    def attach_replayed(self, attachment: Attachment, replay: Callable[[int, int], int]) -> tuple[int, int]:
        """Connect a client whose stream begins where the log is now, after what was logged before: (id, reader).

        replay is called with the log's inode and offset, starts a reader of the log up to there (`Runtime.logs` with
        `end`, on a copy of the client's socket) and returns its pidfd, which comes back as `reader`, the caller's.
        The attachment begins when that process has ended. The shim can't be closed in between, so that a program
        that ends meanwhile takes nothing from the client.

        Raises as `attach`, and what replay raises: the client is then attached without the log, and its descriptor is
        still the caller's.
        """
        with self._lock:
            answer = self._exchange(replace(attachment, held=True).request(self._number()), attachment.descriptor)
            try:
                reader = replay(answer.a, answer.b)
            except BaseException:
                self._exchange(Message(Type.RELEASE, answer.id))
                raise
            try:
                self._exchange(Message(Type.RELEASE, answer.id), reader)
            except BaseException:
                os.close(reader)
                raise
        os.close(attachment.descriptor)
        return answer.id, reader

    def release(self, attachment_id: int, reader: int | None = None) -> None:
        """Let a held attachment begin: at once, or when the process of the pidfd `reader` has ended.

        With a reader it begins even if this process is gone by then. Raises SystemFailure for an unknown id.
        """
        with self._lock:
            self._exchange(Message(Type.RELEASE, attachment_id), reader)

    def state(self) -> ShimState:
        """How the program is, asked anew."""
        answer = self._request(Message(Type.STATE))
        return ShimState(_STATES[min(answer.a, 2)], answer.b, answer.c)

    def _number(self) -> int:
        self._next_id = self._next_id % 0x7FFFFFFF + 1
        return self._next_id

    def _request(self, message: Message, descriptor: int | None = None) -> Message:
        with self._lock:
            return self._exchange(message._replace(id=self._number()), descriptor)

    def _exchange(self, message: Message, descriptor: int | None = None) -> Message:
        """Send, wait for the answer, holding the lock.

        Raises Conflict for a program that has ended, SystemFailure for other refusals.
        """
        try:
            sockets.send(self._connection, message.encode(), descriptor)
            answer = self._answer(message.id)
        except BlockingIOError:
            raise SystemFailure(f"the shim of process {self.pid} does not answer") from None
        except OSError as error:
            if error.errno in _GONE:
                raise Conflict(f"process {self.pid} is not running") from None
            raise SystemFailure(f"cannot reach the shim of process {self.pid}: {error.strerror}") from error
        finally:
            self._nudge()
        if answer.type == Type.DONE and answer.a:
            raise _refusal(self.pid, message.type, answer.a)
        return answer

    def _answer(self, number: int) -> Message:
        while True:
            data, descriptor = sockets.receive(self._connection, protocol.MESSAGE_SIZE)
            if descriptor is not None:
                os.close(descriptor)  # a pidfd, which this object has already
            message = self._take(data)
            if message is None:
                raise BrokenPipeError(errno.EPIPE, "the shim has ended")
            if message.id == number and message.type < protocol.FIRST_EVENT:
                return message

    def _take(self, data: bytes) -> Message | None:
        """Sort what was received: an event is kept. None at the end of the connection."""
        if not data:
            if not self._exited and not self._at_end:
                self._events.append(Lost())
            self._at_end = True
            return None
        message = protocol.decode(data)
        event = _event(message)
        if event is not None:
            self._events.append(event)
            self._exited = isinstance(event, Exited)
        return message

    def _nudge(self) -> None:
        """Events were read by a request: an answer that nobody waits for makes the descriptor readable again."""
        if self._events and not self._at_end:
            try:
                sockets.send(self._connection, Message(Type.STATE).encode(), flags=socket.MSG_DONTWAIT)
            except OSError:
                pass  # the connection's end makes it readable as well


def _refusal(pid: int, kind: int, number: int) -> Conflict | SystemFailure:
    if number == errno.ESRCH:
        return Conflict(f"process {pid} is not running")
    if kind == Type.RESIZE and number == errno.ENOTTY:
        return Conflict(f"process {pid} has no terminal")
    if kind == Type.ATTACH and number == errno.EUSERS:
        return Conflict(f"too many clients are attached to process {pid}")
    return SystemFailure(f"the shim of process {pid} refused {Type(kind).name.lower()}: {os.strerror(number)}")
