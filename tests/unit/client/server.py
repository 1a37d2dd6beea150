"""A peer that says exactly the bytes it is told to, for tests of the transport."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Peer:
    """Listens on a unix socket and runs one talk per connection, in order."""

    def __init__(self, path: str, *talks: Callable[[socket.socket], None]) -> None:
        self.path = path
        self._talks = talks
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(path)
        self._server.listen(8)
        self._server.settimeout(10)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    @property
    def host(self) -> str:
        return f"unix://{self.path}"

    def close(self) -> None:
        self._thread.join()
        self._server.close()

    def _run(self) -> None:
        for talk in self._talks:
            peer, _ = self._server.accept()
            with peer:
                peer.settimeout(10)
                talk(peer)


def read_head(peer: socket.socket) -> bytes:
    """A request up to its empty line (and what came with it)."""
    data = b""
    while b"\r\n\r\n" not in data:
        block = peer.recv(65536)
        if not block:
            break
        data += block
    return data


def says(*pieces: bytes) -> Callable[[socket.socket], None]:
    """Read a request, then send the pieces one by one and close."""

    def talk(peer: socket.socket) -> None:
        read_head(peer)
        for piece in pieces:
            peer.sendall(piece)

    return talk
