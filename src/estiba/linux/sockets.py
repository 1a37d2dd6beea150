"""Unix sockets that keep message boundaries and carry descriptors (unix(7): SOCK_SEQPACKET, SCM_RIGHTS)."""

from __future__ import annotations

import os
import socket
import struct
from typing import Final

_BACKLOG: Final = 8
_DESCRIPTOR: Final = struct.Struct("i")
_SPACE: Final = socket.CMSG_SPACE(_DESCRIPTOR.size)


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected SOCK_SEQPACKET sockets."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def listen_at(directory: int, name: str) -> socket.socket:
    """A listening SOCK_SEQPACKET socket, bound to a name in the directory; its path may be longer than 108 bytes."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        listener.bind(f"/proc/self/fd/{directory}/{name}")
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def connect_at(directory: int, name: str) -> socket.socket:
    """A connection to a name in the directory. Raises OSError; ConnectionRefusedError: nobody listens."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.connect(f"/proc/self/fd/{directory}/{name}")
    except BaseException:
        connection.close()
        raise
    return connection


def send(connection: socket.socket, message: bytes, descriptor: int | None = None, *, flags: int = 0) -> None:
    """Send one message, a copy of the descriptor with it. Raises OSError; BrokenPipeError: the other side is gone."""
    rights = []
    if descriptor is not None:
        rights.append((socket.SOL_SOCKET, socket.SCM_RIGHTS, _DESCRIPTOR.pack(descriptor)))
    connection.sendmsg([message], rights, flags | socket.MSG_NOSIGNAL)


def receive(connection: socket.socket, size: int, *, flags: int = 0) -> tuple[bytes, int | None]:
    """One message of at most `size` bytes (b"" at the end) and the descriptor that came along, owned by the caller."""
    data, controls, _, _ = connection.recvmsg(size, _SPACE, flags | socket.MSG_CMSG_CLOEXEC)
    descriptors: list[int] = []
    for level, kind, content in controls:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors += [number for (number,) in _DESCRIPTOR.iter_unpack(content)]
    for extra in descriptors[1:]:
        os.close(extra)
    return data, descriptors[0] if descriptors else None
