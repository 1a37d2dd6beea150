"""The transport understands what engines send, however it is cut into pieces."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.client.server import Peer, read_head, says

from estiba.client.transport import BLOCK, Connection, Disconnected, Unreachable, connect, read_file
from estiba.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Talking = Callable[..., Connection]


@pytest.fixture
def talking(tmp_path: Path) -> Iterator[Talking]:
    """``talking(talk)`` → a connection to a peer that talks so."""
    opened: list[tuple[Peer, Connection]] = []

    def start(talk: Callable[[socket.socket], None]) -> Connection:
        peer = Peer(str(tmp_path / f"s{len(opened)}"), talk)
        connection = Connection(connect(peer.host))
        opened.append((peer, connection))
        return connection

    yield start
    for peer, connection in opened:
        connection.close()
        peer.close()


def ask(connection: Connection, method: str = "GET") -> bytes:
    connection.send(method, "/x", {"Host": "x"}, None)
    return connection.receive(method).read()


def test_content_length(talking: Talking) -> None:
    connection = talking(says(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b: c\r\n\r\nhe", b"llo"))
    connection.send("GET", "/x", {}, None)
    reply = connection.receive()
    assert (reply.status, reply.headers["x-a"], reply.read(), reply.keep_alive) == (200, "b: c", b"hello", True)


def test_chunked_in_every_split(tmp_path: Path) -> None:
    wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;ext=1\r\n \r\n5\r\nworld\r\n"
    wire += b"0\r\nTrailer: x\r\n\r\n"
    for cut in range(1, len(wire)):
        ours, theirs = socket.socketpair()
        with theirs:
            connection = Connection(ours)
            theirs.sendall(wire[:cut])
            theirs.sendall(wire[cut:])
            assert connection.receive().read() == b"hello world"
            connection.close()


def test_body_until_the_end(talking: Talking) -> None:
    connection = talking(says(b"HTTP/1.0 200 OK\r\n\r\n", b"all ", b"of it"))
    connection.send("GET", "/x", {}, None)
    reply = connection.receive()
    assert reply.read() == b"all of it"
    assert not reply.keep_alive


@pytest.mark.parametrize("status", [204, 304])
def test_no_body(status: int, talking: Talking) -> None:
    assert ask(talking(says(b"HTTP/1.1 %d X\r\n\r\n" % status))) == b""


def test_head_has_no_body(talking: Talking) -> None:
    assert ask(talking(says(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")), "HEAD") == b""


def test_100_continue_is_skipped(talking: Talking) -> None:
    connection = talking(says(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
    assert ask(connection) == b"ok"


def test_upgrade_keeps_the_first_bytes(talking: Talking) -> None:
    connection = talking(says(b"HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\nearly"))
    connection.send("POST", "/attach", {"Upgrade": "tcp"}, None)
    assert connection.receive().status == 101
    sock, first = connection.upgraded()
    assert first + sock.recv(10) == b"early"


def test_two_requests_on_one_connection(talking: Talking) -> None:
    def talk(peer: socket.socket) -> None:
        for text in (b"one", b"two"):
            read_head(peer)
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n" + text)

    connection = talking(talk)
    assert (ask(connection), ask(connection)) == (b"one", b"two")


def test_lines_as_they_arrive(talking: Talking) -> None:
    connection = talking(says(b'HTTP/1.1 200 OK\r\n\r\n{"a":1}\r\n{"b"', b":2}\n\n", b'{"c":3}'))
    connection.send("GET", "/x", {}, None)
    assert list(connection.receive().lines()) == [b'{"a":1}', b'{"b":2}', b'{"c":3}']


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
    ],
)
def test_cut_off(wire: bytes, talking: Talking) -> None:
    with pytest.raises(Disconnected):
        ask(talking(says(wire)))


def test_chunked_upload(talking: Talking) -> None:
    heard = bytearray()

    def talk(peer: socket.socket) -> None:
        while not heard.endswith(b"0\r\n\r\n"):
            heard.extend(peer.recv(1000))
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    connection = talking(talk)
    connection.send("PUT", "/x", {}, iter([b"abc", b"", b"0123456789"]))
    assert connection.receive().status == 200
    assert bytes(heard.partition(b"\r\n\r\n")[2]) == b"3\r\nabc\r\na\r\n0123456789\r\n0\r\n\r\n"


def test_an_upload_that_is_refused_early_shows_the_answer(talking: Talking) -> None:
    def talk(peer: socket.socket) -> None:
        read_head(peer)
        peer.sendall(b"HTTP/1.1 400 Bad\r\nContent-Length: 3\r\n\r\nno!")

    connection = talking(talk)
    connection.send("PUT", "/x", {}, (b"x" * BLOCK for _ in range(200)))
    reply = connection.receive()
    assert (reply.status, reply.read()) == (400, b"no!")


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_chunks(chunks: list[bytes]) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        connection = Connection(ours)
        theirs.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for chunk in chunks:
            theirs.sendall(b"%X\r\n%s\r\n" % (len(chunk), chunk))
        theirs.sendall(b"0\r\n\r\n")
        assert connection.receive().read() == b"".join(chunks)
        connection.close()


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(Unreachable) as raised:
        connect(f"unix://{tmp_path}/none")
    assert raised.value.reason == 2
    with pytest.raises(Unreachable):
        connect("tcp://127.0.0.1:1")
    with pytest.raises(InvalidArgument, match="cannot connect to 'ssh://x'"):
        connect("ssh://x")


def test_tcp() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        sock = connect(f"tcp://127.0.0.1:{server.getsockname()[1]}")
        peer, _ = server.accept()
        peer.close()
        assert sock.recv(1) == b""
        sock.close()


def test_read_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * (BLOCK + 5))
    assert [len(block) for block in read_file(str(tmp_path / "f"))] == [BLOCK, 5]
