"""Requests with a version, queries, and what errors say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.unit.client.server import Peer, read_head

from estiba.client.engine import Client, encode_query, path, version_key
from estiba.client.transport import Disconnected, ResponseError
from estiba.errors import InvalidArgument

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

PING = b"HTTP/1.1 200 OK\r\nApi-Version: %s\r\nOstype: linux\r\n\r\n"


def answers(*replies: bytes) -> Callable[[socket.socket], None]:
    """One reply per request, then close."""

    def talk(peer: socket.socket) -> None:
        for reply in replies:
            talk.asked.append(read_head(peer))  # type: ignore[attr-defined]
            peer.sendall(reply)

    talk.asked = []  # type: ignore[attr-defined]
    return talk


def test_paths_and_queries() -> None:
    assert path("containers", "a b/c:1@x%", "json") == "/containers/a%20b/c:1@x%25/json"
    assert (
        encode_query({"b": True, "a": "x y&z", "c": None, "d": False, "e": ["1", "2"], "f": 0})
        == "?a=x+y%26z&b=1&e=1&e=2&f=0"
    )
    assert encode_query({}) == ""
    with pytest.raises(InvalidArgument, match="value is empty"):
        path("containers", " ", "json")


def test_versions_compare_as_numbers() -> None:
    assert version_key("1.9") < version_key("1.24") < version_key("1.51")


@pytest.mark.parametrize(("theirs", "used"), [(b"1.51", "1.51"), (b"1.40", "1.40"), (b"1.99", "1.51")])
def test_negotiation(theirs: bytes, used: str, tmp_path: Path) -> None:
    talk = answers(PING % theirs, b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[1]")
    peer = Peer(str(tmp_path / "s"), talk)
    client = Client(peer.host)
    assert client.get("/x", {"a": 1}) == [1]
    assert client.version == used
    assert client.at_least("1.40")
    client.close()
    peer.close()
    assert talk.asked[1].startswith(b"GET /v%s/x?a=1 HTTP/1.1\r\n" % used.encode())  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (b'Content-Type: application/json\r\nContent-Length: 17\r\n\r\n{"message":"no!"}', "no!"),
        (b"Content-Type: text/plain\r\nContent-Length: 4\r\n\r\nbad\n", "bad"),
        (b"Content-Length: 0\r\n\r\n", "the engine answered 409 without a message"),
    ],
)
def test_errors(reply: bytes, message: str, tmp_path: Path) -> None:
    peer = Peer(str(tmp_path / "s"), answers(b"HTTP/1.1 409 Conflict\r\n" + reply))
    client = Client(peer.host, version="1.51")
    with pytest.raises(ResponseError) as raised:
        client.post("/x", None, {"a": "é"})
    assert (raised.value.status, raised.value.message) == (409, message)
    client.close()
    peer.close()


def test_a_kept_connection_that_was_closed_is_replaced(tmp_path: Path) -> None:
    good = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1"
    peer = Peer(str(tmp_path / "s"), answers(good), answers(good))
    client = Client(peer.host, version="1.51")
    assert (client.get("/a"), client.get("/b")) == (1, 1)
    client.close()
    peer.close()


def test_a_new_connection_that_is_closed_is_an_error(tmp_path: Path) -> None:
    peer = Peer(str(tmp_path / "s"), answers(b""))
    client = Client(peer.host, version="1.51")
    with pytest.raises(Disconnected):
        client.get("/a")
    peer.close()


def test_hijack(tmp_path: Path) -> None:
    peer = Peer(str(tmp_path / "s"), answers(b"HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\nx"))
    client = Client(peer.host, version="1.51")
    sock, first = client.hijack("/attach", {"stream": True})
    assert first + sock.recv(5) == b"x"
    sock.close()
    peer.close()


def test_hijack_refused(tmp_path: Path) -> None:
    refusal = (
        b"HTTP/1.1 404 Not Found\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\nNo such container: x\r\n"
    )
    peer = Peer(str(tmp_path / "s"), answers(refusal))
    client = Client(peer.host, version="1.51")
    with pytest.raises(ResponseError, match=r"^No such container: x$"):
        client.hijack("/containers/x/attach")
    client.close()
    peer.close()
