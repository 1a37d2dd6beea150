"""A loop in a thread that serves HTTP connections on a unix socket, for tests that speak to it as clients do."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import TYPE_CHECKING

from estiba.api.http import Connection, Exchange

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path


class Served:
    """The server, as its clients see it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def connect(self) -> socket.socket:
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(10)
        client.connect(str(self.path))
        return client

    def talk(self, data: bytes, *, half_close: bool = False) -> bytes:
        """Send, read to the end."""
        with self.connect() as client:
            client.sendall(data)
            if half_close:
                client.shutdown(socket.SHUT_WR)
            return read_all(client)


def read_all(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(65536), b""))


def read_head(client: socket.socket) -> bytes:
    """Up to and with the empty line, not a byte more."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = client.recv(1)
        if not byte:
            raise EOFError(head)
        head += byte
    return head


@contextlib.contextmanager
def serving(path: Path, answer: Callable[[Exchange], Awaitable[None]]) -> Iterator[Served]:
    """Serve `answer` on a socket at `path`."""
    ready = threading.Event()
    ending: list[Callable[[], object]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        tasks: set[asyncio.Task[None]] = set()
        connections: list[Connection] = []

        def start(connection: Connection) -> None:
            connections.append(connection)
            tasks.add(loop.create_task(connection.serve()))

        server = await loop.create_unix_server(lambda: Connection(answer, start), str(path), backlog=1024)
        ending.append(lambda: loop.call_soon_threadsafe(ended.set))
        ready.set()
        await ended.wait()
        server.close()
        for connection in connections:
            connection.abort()
        await asyncio.wait_for(asyncio.gather(*tasks), 10)

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    assert ready.wait(10)
    try:
        yield Served(path)
    finally:
        ending[0]()
        thread.join(20)
