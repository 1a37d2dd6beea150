"""A server that takes what the docker command sends and does nothing: what is left is the command's own time."""

from __future__ import annotations

import base64
import io
import json
import socket
import tarfile
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BLOCK = 1 << 20
_STAT = {"name": "x", "size": 4096, "mode": 1 << 31 | 0o755, "mtime": "2024-01-01T00:00:00Z", "linkTarget": ""}
_COMMON = b"HTTP/1.1 200 OK\r\nApi-Version: 1.51\r\nOstype: linux\r\nX-Docker-Container-Path-Stat: %b\r\n" % (
    base64.b64encode(json.dumps(_STAT).encode())
)


@contextmanager
def nobody(path: Path, source: Path) -> Iterator[str]:
    """Serve on a socket; its path. Every archive that is asked for is one of `source`, as x."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(source, "x")
    listener = socket.socket(socket.AF_UNIX)
    with listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=_accept, args=(listener, buffer.getvalue()), daemon=True)
        thread.start()
        try:
            yield str(path)
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _accept(listener: socket.socket, archive: bytes) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_serve, args=(client, archive), daemon=True).start()


def _serve(client: socket.socket, archive: bytes) -> None:
    received = b""
    with client, suppress(ConnectionError):
        while True:
            while b"\r\n\r\n" not in received:
                block = client.recv(BLOCK)
                if not block:
                    return
                received += block
            head, received = received.split(b"\r\n\r\n", 1)
            method, target = head.split(b" ", 2)[:2]
            if method == b"PUT":
                received = _drain(client, received)
            body = archive if method == b"GET" and b"/archive" in target else b"{}"
            length = 0 if method == b"HEAD" else len(body)
            client.sendall(_COMMON + b"Content-Length: %d\r\n\r\n" % length + body[:length])


def _drain(client: socket.socket, received: bytes) -> bytes:
    """Read a chunked body to its end."""
    last = received
    while not last.endswith(b"0\r\n\r\n"):
        block = client.recv(BLOCK)
        if not block:
            break
        last = (last + block)[-16:]
    return b""
