"""A raw client of the Docker API: one kept-alive connection, requests as bytes, nothing that costs time."""

from __future__ import annotations

import json
import os
import socket
from typing import Any

VERSION = "/v1.51"
BLOCK = 1 << 20
# more than any measurement takes; less than forever
SECONDS = 180


class Refused(Exception):
    """The engine answered with an error."""


class Api:
    """One connection to an engine's socket; a context manager."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(SECONDS)
        self._socket.connect(path)
        self._buffer = b""

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def call(self, method: str, target: str, body: Any = None) -> bytes:
        """The body of the reply. Raises Refused for a status of 400 and above (304 is fine)."""
        self._socket.sendall(request(method, target, body))
        return self._reply(f"{method} {target}")

    def json(self, method: str, target: str, body: Any = None) -> Any:
        """The reply, decoded."""
        return json.loads(self.call(method, target, body))

    def upload(self, target: str, archive: Any, media: str = "application/x-tar") -> bytes:
        """POST a file (with fileno, from its start) as a body of known length."""
        size = archive.seek(0, 2)
        head = f"POST {VERSION}{target} HTTP/1.1\r\nHost: d\r\nContent-Type: {media}\r\nContent-Length: {size}\r\n\r\n"
        self._socket.sendall(head.encode())
        archive.seek(0)
        self._socket.sendfile(archive)
        return self._reply(f"POST {target}")

    def peer(self) -> int:
        """The process that listens at the other end."""
        data = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return int.from_bytes(data[:4], "little")

    def _reply(self, what: str) -> bytes:
        head = self._until(b"\r\n\r\n")
        status = int(head[9:12])
        fields = head.lower()
        if b"content-length:" in fields:
            size = int(fields.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
            body = self._exactly(size)
        elif b"transfer-encoding: chunked" in fields:
            body = self._chunks()
        else:
            body = b""
        if status >= 400:
            raise Refused(f"{what}: {status} {body.decode('utf-8', 'replace')}")
        return body

    def _chunks(self) -> bytes:
        parts: list[bytes] = []
        while size := int(self._until(b"\r\n"), 16):
            parts.append(self._exactly(size + 2)[:-2])
        self._until(b"\r\n")
        return b"".join(parts)

    def _until(self, end: bytes) -> bytes:
        while end not in self._buffer:
            self._receive()
        found, self._buffer = self._buffer.split(end, 1)
        return found + end

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._receive()
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found

    def _receive(self) -> None:
        block = self._socket.recv(BLOCK)
        if not block:
            raise Refused("the engine hung up")
        self._buffer += block


def request(method: str, target: str, body: Any = None, *, close: bool = False) -> bytes:
    """A whole request."""
    data = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {VERSION}{target} HTTP/1.1", "Host: d"]
    if close:
        lines.append("Connection: close")
    if data or method == "POST":
        lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
    return "\r\n".join((*lines, "", "")).encode() + data


def stream(path: str, target: str, out: int) -> int:
    """GET into a descriptor until the connection ends, undecoded and with the head; the size."""
    total = 0
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(SECONDS)
        client.connect(path)
        client.sendall(request("GET", target, close=True))
        buffer = bytearray(BLOCK)
        view = memoryview(buffer)
        while size := client.recv_into(buffer):
            total += size
            os.write(out, view[:size])
    return total
