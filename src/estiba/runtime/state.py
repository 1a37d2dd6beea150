"""What a run directory says of a container or exec: its living shim, or how it ended.

RUNDIR/c/ID/            s: the shim's listening socket   exit: the exit record   cgroup: link to its cgroup's path
RUNDIR/c/ID/exec/EXEC/  s, exit
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import msgspec

from estiba.linux import sockets
from estiba.runtime import protocol
from estiba.runtime.monitor import Shim
from estiba.runtime.protocol import Message, Type

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from pathlib import Path

SOCKET: Final = "s"
RECORD: Final = "exit"
CGROUP: Final = "cgroup"
EXECS: Final = "exec"

_RUNNING: Final = 1


class ExitRecord(msgspec.Struct, frozen=True):
    """How a program ended, written by its shim: wait(2)'s status, time in ns since the epoch, the boot it was in."""

    wait_status: int = msgspec.field(name="status")
    oom_kills: int
    time_ns: int = msgspec.field(name="time")
    boot_id: str = msgspec.field(name="boot")


@contextmanager
def open_directory(path: Path) -> Iterator[int]:
    """A descriptor of a directory, for the time of the block."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def read_exit_record(directory: Path) -> ExitRecord | None:
    """The record in a run directory; None while there is none, or none that makes sense."""
    try:
        return msgspec.json.decode((directory / RECORD).read_bytes(), type=ExitRecord)
    except (OSError, msgspec.DecodeError):
        return None


def connect(directory: Path) -> Shim | None:
    """A connection to the living shim of a run directory; its events come here from now on. None: no program runs."""
    try:
        with open_directory(directory) as descriptor:
            connection = sockets.connect_at(descriptor, SOCKET)
    except OSError:
        return None
    try:
        shim = _greet(connection)
    except OSError:
        shim = None
    if shim is None:
        connection.close()
    return shim


def _greet(connection: socket.socket) -> Shim | None:
    connection.settimeout(protocol.ANSWER_SECONDS)
    sockets.send(connection, Message(Type.HELLO, 1, a=protocol.VERSION).encode())
    sockets.send(connection, Message(Type.STATE, 2).encode())
    pid, pidfd = 0, None
    while True:
        data, descriptor = sockets.receive(connection, protocol.MESSAGE_SIZE)
        if not data:
            return None
        message = protocol.decode(data)
        if message.type == Type.STATE:
            pid, pidfd = message.b, descriptor
            break
        if descriptor is not None:
            os.close(descriptor)
    if message.a != _RUNNING or pidfd is None:
        return None
    connection.settimeout(None)
    return Shim(connection, pid, pidfd)
