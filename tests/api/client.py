"""A plain HTTP client for a unix socket, and an engine in a process of its own to speak to."""

from __future__ import annotations

import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from pathlib import Path

SECONDS = 30


@dataclass(frozen=True)
class Answer:
    """A whole reply."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.body.splitlines() if line.strip()]

    @property
    def message(self) -> str:
        """The text of an error, however it was sent."""
        try:
            return str(self.json["message"])
        except (ValueError, KeyError, TypeError):
            return self.body.decode("utf-8", "replace")


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("docker", timeout=SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(SECONDS)
        self.sock.connect(str(self._path))


class Client:
    """Requests to one socket, each on a connection of its own."""

    def __init__(self, path: Path, version: str = "1.51") -> None:
        self.path = path
        self.prefix = f"/v{version}"

    def raw(self, method: str, target: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        """As it is, without a version."""
        connection = _Connection(self.path)
        try:
            connection.request(method, target, body, headers or {})
            reply = connection.getresponse()
            return Answer(reply.status, reply.headers, reply.read())
        finally:
            connection.close()

    def __call__(self, method: str, target: str, body: Any = None, **query: Any) -> Answer:
        """With the version; a body that is not bytes is sent as JSON; filters may be a dict."""
        headers = {}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body)
            headers["Content-Type"] = "application/json"
        if isinstance(query.get("filters"), dict):
            query["filters"] = json.dumps(query["filters"])
        tail = f"?{urlencode(query, doseq=True)}" if query else ""
        return self.raw(method, f"{self.prefix}{quote(target, safe='/:')}{tail}", body, headers)

    def connect(self) -> socket.socket:
        """A bare connection."""
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(SECONDS)
        client.connect(str(self.path))
        return client

    def open(
        self, method: str, target: str, body: Any = None, *, upgrade: bool = False, ahead: bytes = b"", **query: Any
    ) -> tuple[bytes, socket.socket]:
        """Send a request and read the head of its reply; the connection is the caller's."""
        data = b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {self.prefix}{target}{'?' + urlencode(query) if query else ''} HTTP/1.1", "Host: docker"]
        lines += ["Connection: Upgrade", "Upgrade: tcp"] if upgrade else ["Connection: close"]
        if data:
            lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
        client = self.connect()
        client.sendall("\r\n".join((*lines, "", "")).encode() + data + ahead)
        return read_head(client), client


def read_head(client: socket.socket) -> bytes:
    """Up to and with the empty line, not a byte more."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = client.recv(1)
        if not byte:
            raise EOFError(head)
        head += byte
    return head


def read_all(client: socket.socket) -> bytes:
    """To the end; closes the connection."""
    with client:
        return b"".join(iter(lambda: client.recv(65536), b""))


def read_exactly(client: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        block = client.recv(size - len(data))
        if not block:
            raise EOFError(data)
        data += block
    return data


def unchunk(data: bytes) -> bytes:
    """The content of a chunked body, which may break off."""
    content = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        content += data[: int(size, 16)]
        data = data[int(size, 16) + 2 :]
    return content


def frames(data: bytes) -> dict[int, bytes]:
    """A multiplexed stream by stream number."""
    streams: dict[int, bytes] = {}
    while data:
        number, size = data[0], int.from_bytes(data[4:8], "big")
        streams[number] = streams.get(number, b"") + data[8 : 8 + size]
        data = data[8 + size :]
    return streams


class EngineProcess:
    """`estiba serve` with a root and sockets of its own."""

    def __init__(self, directory: Path, *arguments: str, wrapper: tuple[str, ...] = ()) -> None:
        """wrapper: a command that ends by executing the words that follow it."""
        self.root, self.run_dir = directory / "root", directory / "run"
        self.socket = directory / "estiba.sock"
        self.log = directory / "engine.log"
        self.arguments, self.wrapper = arguments, wrapper
        self.hosts: tuple[str, ...] = ("-H", f"unix://{self.socket}")
        self.process: subprocess.Popen[bytes] | None = None
        self.client = Client(self.socket)

    def start(self) -> None:
        """Returns when it serves."""
        reader, writer = os.pipe()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [
                    *self.wrapper,
                    *(sys.executable, "-m", "estiba.daemon.main", "--root", str(self.root)),
                    *("--run-dir", str(self.run_dir), f"--ready-fd={writer}"),
                    *self.hosts,
                    *self.arguments,
                ],
                stderr=log,
                stdout=log,
                pass_fds=[writer],
            )
        os.close(writer)
        try:
            assert select.select([reader], [], [], SECONDS)[0], "the engine is not ready"
            if not os.read(reader, 16):
                self.process.wait(SECONDS)
                raise RuntimeError(f"the engine did not start: {self.log.read_text()}")
        finally:
            os.close(reader)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it; containers run on."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(SECONDS)

    def clear(self) -> None:
        """Remove all containers, also paused ones."""
        for entry in self.client("GET", "/containers/json", all=1).json:
            self.client("DELETE", f"/containers/{entry['Id']}", force=1, v=1)
