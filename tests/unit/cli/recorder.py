"""An engine's front door that answers a few fixed replies and remembers what it was asked: the oracle of the client
tests.

Two clients (the docker command and ours) are run against one Recorder each with the same arguments; their requests
must be equal.
"""

from __future__ import annotations

import json
import os
import socket
import tempfile
import threading
from typing import Any
from urllib.parse import parse_qsl, urlsplit

CONTAINER_ID = "c0ffee" + "0" * 58

NEXT = object()  # first of a list of replies for the same path
DROP = object()  # the headers, then the connection is closed: an engine that was killed

INSPECT = {
    "Id": CONTAINER_ID,
    "Name": "/it",
    "Config": {"Tty": False, "OpenStdin": False, "Image": "img"},
    "HostConfig": {"AutoRemove": False, "NetworkMode": "default"},
    "State": {"Running": True, "Paused": False, "Restarting": False, "Status": "running"},
    "NetworkSettings": {"Ports": {}},
}


class Recorder:
    """Listens on a unix socket of its own; ``requests`` holds (method, path, query, body) in order of arrival."""

    def __init__(self, replies: dict[str, Any] | None = None) -> None:
        self.replies = {"/json": INSPECT, "/create": {"Id": CONTAINER_ID, "Warnings": []}, **(replies or {})}
        self.output = b""  # what attach and exec answer with
        self.echo = False  # ... and then all that comes, until its end
        self.requests: list[tuple[str, str, dict[str, str], Any]] = []
        self.directory = tempfile.mkdtemp(prefix="estiba-recorder-")
        self.path = os.path.join(self.directory, "s")
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(self.path)
        self._server.listen(32)
        self._threads: list[threading.Thread] = []
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()

    @property
    def host(self) -> str:
        return "unix://" + self.path

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._acceptor.join()
        for thread in self._threads:
            thread.join(10)
        os.unlink(self.path)
        os.rmdir(self.directory)

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._server.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(peer,))
            thread.start()
            self._threads.append(thread)

    def _serve(self, peer: socket.socket) -> None:
        with peer, peer.makefile("rb") as reader:
            try:
                while self._one(peer, reader):
                    pass
            except OSError:
                return

    def _one(self, peer: socket.socket, reader: Any) -> bool:
        line = reader.readline()
        if not line:
            return False
        method, target, _ = line.decode().split(" ", 2)
        headers = {}
        while (header := reader.readline().decode().rstrip("\r\n")) != "":
            key, _, value = header.partition(":")
            headers[key.lower()] = value.strip()
        body = self._body(reader, headers)
        parts = urlsplit(target)
        path = parts.path[6:] if parts.path.startswith("/v1.") else parts.path
        if path != "/_ping":
            self.requests.append((method, path, dict(parse_qsl(parts.query, keep_blank_values=True)), body))
        return self._answer(peer, method, path)

    def _body(self, reader: Any, headers: dict[str, str]) -> Any:
        if headers.get("transfer-encoding") == "chunked":
            raw = b""
            while size := int(reader.readline(), 16):
                raw += reader.read(size)
                reader.readline()
            reader.readline()
        else:
            raw = reader.read(int(headers.get("content-length", 0)))
        if headers.get("content-type") == "application/json" and raw:
            return json.loads(raw)
        return raw

    def _answer(self, peer: socket.socket, method: str, path: str) -> bool:
        if path.endswith("/attach") or path == "/exec/e/start":
            peer.sendall(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n" + self.output)
            while self.echo and (data := peer.recv(1000)):
                peer.sendall(data)
            return False
        status, reply = (
            200,
            next(
                (self.replies[end] for end in sorted(self.replies, key=len, reverse=True) if path.endswith(end)), None
            ),
        )
        if reply is None:
            if path.endswith("/wait"):
                reply = {"StatusCode": 0}
            elif path == "/_ping":
                reply = b"OK"
            else:
                status, reply = 204, b""
        if isinstance(reply, list) and reply and reply[0] is NEXT:  # one reply after another, the last again and again
            reply = reply.pop(1) if len(reply) > 2 else reply[1]
        if reply is DROP:
            peer.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            return False
        if isinstance(reply, tuple):
            status, reply = reply
        data = reply if isinstance(reply, bytes) else json.dumps(reply).encode() + b"\n"
        kind = "text/plain" if path == "/_ping" else "application/json"
        head = f"HTTP/1.1 {status} X\r\nApi-Version: 1.51\r\nOstype: linux\r\nContent-Type: {kind}\r\n"
        if status != 204:
            head += f"Content-Length: {0 if method == 'HEAD' else len(data)}\r\n"
        peer.sendall(head.encode() + b"\r\n" + (b"" if method == "HEAD" or status == 204 else data))
        return True
