"""The HTTP layer against clients as they are, and as they should not be."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import threading
from typing import TYPE_CHECKING

import pytest
from tests.unit.api.server_thread import Served, read_all, read_head, serving

from estiba.api.http import Exchange, Reply
from estiba.errors import Cancelled, InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SEEN: dict[str, object] = {}
LEFT = threading.Event()


async def answer(exchange: Exchange) -> None:
    """The server of these tests: a page per way to answer."""
    try:
        await PAGES[exchange.request.path](exchange)
    except KeyError:
        await exchange.send(Reply(404, b"no page"))
    except InvalidArgument as error:
        await exchange.send(Reply(error.status, error.message.encode()))
    except Cancelled:
        exchange.cut()


async def echo(exchange: Exchange) -> None:
    await exchange.send(Reply(200, await exchange.body(), "text/plain"))


async def small(exchange: Exchange) -> None:
    await exchange.send(Reply(200, await exchange.body(100)))


async def ignore(exchange: Exchange) -> None:
    await exchange.send(Reply(204))


async def stream(exchange: Exchange) -> None:
    await exchange.begin(200, "text/plain")
    for part in (b"a", b"bc"):
        await exchange.write(part)
    await exchange.end()


async def digest(exchange: Exchange) -> None:
    source = exchange.body_reader()

    def work() -> str:
        with source:
            digest = hashlib.sha256()
            while block := source.read(100_000):
                digest.update(block)
            return digest.hexdigest()

    await exchange.send(Reply(200, (await asyncio.to_thread(work)).encode()))


async def zeros(exchange: Exchange) -> None:
    size = int(exchange.request.query.text("size"))
    writer = exchange.writer("application/x-tar", (("X-Size", str(size)),))
    block = bytes(256 * 1024)

    def work() -> None:
        with writer:
            left = size
            while left:
                left -= writer.write(block[:left])
            writer.finish()

    try:
        await asyncio.to_thread(work)
    finally:
        exchange.started = writer.started


async def broken(exchange: Exchange) -> None:
    writer = exchange.writer("application/x-tar")

    def work() -> None:
        with writer:
            writer.write(bytes(1_000_000))

    await asyncio.to_thread(work)
    exchange.cut()


async def take(exchange: Exchange) -> None:
    body = await exchange.body()
    taken = await exchange.take(b"HTTP/1.1 101 UPGRADED\r\n\r\n")

    def pump() -> None:
        with socket.socket(fileno=taken.descriptor) as client:
            client.sendall(body + taken.first)
            while data := client.recv(65536):
                client.sendall(data)

    thread = threading.Thread(target=pump)
    SEEN["pump"] = thread
    thread.start()


async def wait_gone(exchange: Exchange) -> None:
    await exchange.begin()
    await exchange.gone
    LEFT.set()
    exchange.cut()


PAGES = {
    "/echo": echo,
    "/small": small,
    "/ignore": ignore,
    "/stream": stream,
    "/digest": digest,
    "/zeros": zeros,
    "/broken": broken,
    "/take": take,
    "/gone": wait_gone,
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    SEEN.clear()
    LEFT.clear()
    with serving(tmp_path / "s", answer) as served:
        yield served
    if isinstance(thread := SEEN.get("pump"), threading.Thread):
        thread.join(10)


def body_of(reply: bytes) -> bytes:
    return reply.partition(b"\r\n\r\n")[2]


def request(path: str, *lines: str, method: str = "GET", body: bytes = b"") -> bytes:
    head = "".join(f"{line}\r\n" for line in (f"{method} {path} HTTP/1.1", "Host: x", *lines))
    return head.encode() + b"\r\n" + body


class TestReplies:
    def test_several_requests_on_one_connection_sent_at_once(self, server: Served) -> None:
        sent = request("/echo", "Content-Length: 2", method="POST", body=b"hi") * 3 + request(
            "/ignore", "Connection: close"
        )
        reply = server.talk(sent)
        assert reply.count(b"HTTP/1.1 200 OK\r\n") == 3
        assert reply.count(b"\r\n\r\nhi") == 3
        assert b"HTTP/1.1 204 No Content\r\n" in reply

    def test_the_usual_headers(self, server: Served) -> None:
        reply = server.talk(request("/echo", "Content-Length: 1", "Connection: close", method="POST", body=b"x"))
        head = reply.partition(b"\r\n\r\n")[0].decode().split("\r\n")
        assert head[0] == "HTTP/1.1 200 OK"
        names = [line.partition(":")[0] for line in head[1:]]
        assert names == [
            "Api-Version",
            "Docker-Experimental",
            "Ostype",
            "Server",
            "Date",
            "Content-Type",
            "Content-Length",
            "Connection",
        ]

    def test_no_content_has_no_length(self, server: Served) -> None:
        assert b"Content-Length" not in server.talk(request("/ignore", "Connection: close"))

    def test_head_has_no_body(self, server: Served) -> None:
        reply = server.talk(request("/none", "Connection: close", method="HEAD"))
        assert reply.endswith(b"Content-Length: 7\r\nConnection: close\r\n\r\n")

    def test_http_1_0_is_answered_in_kind_and_closed(self, server: Served) -> None:
        reply = server.talk(b"GET /stream HTTP/1.0\r\n\r\n")
        assert reply.startswith(b"HTTP/1.0 200 OK\r\n")
        assert b"chunked" not in reply
        assert body_of(reply) == b"abc"

    def test_a_stream_is_chunked(self, server: Served) -> None:
        reply = server.talk(request("/stream") + request("/ignore", "Connection: close"))
        assert b"Transfer-Encoding: chunked" in reply
        assert b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\nHTTP/1.1 204" in reply

    def test_a_writer_in_a_thread(self, server: Served) -> None:
        with server.connect() as client:
            client.sendall(request("/zeros?size=3000000") + request("/ignore", "Connection: close"))
            reply = read_all(client)
        head, _, rest = reply.partition(b"\r\n\r\n")
        assert b"X-Size: 3000000" in head
        assert rest.count(b"\0") == 3_000_000
        assert b"\r\n0\r\n\r\nHTTP/1.1 204" in rest

    def test_a_writer_that_fails_cuts_the_reply(self, server: Served) -> None:
        with server.connect() as client:
            client.sendall(request("/broken"))
            try:
                reply = read_all(client)
            except ConnectionResetError:
                reply = b""
        assert not reply.endswith(b"0\r\n\r\n")

    def test_a_client_that_leaves_ends_the_writer(self, server: Served) -> None:
        with server.connect() as client:
            client.sendall(request(f"/zeros?size={1 << 34}"))
            client.recv(1000)
        # the server ends in time, as the fixture checks


class TestBodies:
    def test_chunked(self, server: Served) -> None:
        body = b"3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nTrailer: x\r\n\r\n"
        sent = request("/echo", "Transfer-Encoding: chunked", "Connection: close", method="POST", body=body)
        assert body_of(server.talk(sent)) == b"abcde"

    def test_expect_100(self, server: Served) -> None:
        with server.connect() as client:
            client.sendall(
                request("/echo", "Content-Length: 2", "Expect: 100-continue", "Connection: close", method="POST")
            )
            assert read_head(client) == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.sendall(b"ok")
            assert body_of(read_all(client)) == b"ok"

    def test_an_unread_body_is_passed_over(self, server: Served) -> None:
        sent = request("/ignore", "Content-Length: 2", method="POST", body=b"{}") + request(
            "/ignore", "Connection: close"
        )
        assert server.talk(sent).count(b"204 No Content") == 2

    def test_a_large_unread_body_does_not_lose_the_reply(self, server: Served) -> None:
        body = bytes(30_000_000)
        sent = request("/ignore", f"Content-Length: {len(body)}", method="POST", body=body)
        assert server.talk(sent, half_close=True).startswith(b"HTTP/1.1 204")

    def test_a_body_over_the_limit(self, server: Served) -> None:
        sent = request("/small", "Content-Length: 101", method="POST", body=bytes(101))
        assert b"request body too large: the limit is 100 bytes" in server.talk(sent, half_close=True)
        chunked = b"65\r\n" + bytes(0x65) + b"\r\n0\r\n\r\n"
        sent = request("/small", "Transfer-Encoding: chunked", method="POST", body=chunked)
        assert b"413" in server.talk(sent, half_close=True)

    @pytest.mark.parametrize("length", [True, False])
    def test_a_reader_in_a_thread(self, server: Served, length: bool) -> None:
        data = os.urandom(5_000_000)
        if length:
            sent = request("/digest", f"Content-Length: {len(data)}", method="PUT", body=data)
        else:
            parts = [data[at : at + 32_768] for at in range(0, len(data), 32_768)]
            body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
            sent = request("/digest", "Transfer-Encoding: chunked", method="PUT", body=body)
        reply = server.talk(sent + request("/ignore", "Connection: close"))
        assert hashlib.sha256(data).hexdigest().encode() in reply
        assert b"204 No Content" in reply

    @pytest.mark.parametrize("page", ["/digest", "/echo"])
    def test_a_body_that_breaks_off(self, server: Served, page: str) -> None:
        sent = request(page, "Content-Length: 10", method="PUT", body=b"abc")
        assert b"unexpected EOF" in server.talk(sent, half_close=True)
        sent = request(page, "Transfer-Encoding: chunked", method="PUT", body=b"zz\r\nabc")
        assert b"unexpected EOF" in server.talk(sent, half_close=True)


class TestTaking:
    def test_what_came_ahead_goes_along(self, server: Served) -> None:
        with server.connect() as client:
            client.sendall(
                request(
                    "/take", "Content-Length: 2", "Upgrade: tcp", "Connection: Upgrade", method="POST", body=b"{}ahead"
                )
            )
            assert read_head(client) == b"HTTP/1.1 101 UPGRADED\r\n\r\n"
            client.sendall(b" and more")
            client.shutdown(socket.SHUT_WR)
            assert read_all(client) == b"{}ahead and more"

    def test_many_bytes_both_ways(self, server: Served) -> None:
        data = os.urandom(3_000_000)
        with server.connect() as client:
            client.sendall(request("/take", method="POST"))
            read_head(client)
            sender = threading.Thread(target=lambda: (client.sendall(data), client.shutdown(socket.SHUT_WR)))
            sender.start()
            assert read_all(client) == data
            sender.join()


class TestBadClients:
    @pytest.mark.parametrize(
        ("sent", "line"),
        [
            (b"GET /echo HTTP/1.1\r\n\r\n", b"HTTP/1.1 400 Bad Request: missing required Host header"),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"HTTP/1.1 400 Bad Request"),
            (b"GET /e cho HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 400 Bad Request"),
            (b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 400 Bad Request"),
            (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", b"HTTP/1.1 400 Bad Request"),
            (
                b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                b"HTTP/1.1 400 Bad Request",
            ),
            (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * (1 << 21), b"HTTP/1.1 431 Request Header Fields Too Large"),
        ],
    )
    def test_no_http(self, server: Served, sent: bytes, line: bytes) -> None:
        assert server.talk(sent, half_close=True).split(b"\r\n")[0] == line

    def test_a_long_query_is_no_problem(self, server: Served) -> None:
        assert b"204" in server.talk(request("/ignore?x=" + "q" * 20_000, "Connection: close"))

    def test_an_empty_host_is_fine(self, server: Served) -> None:
        assert b"204" in server.talk(b"GET /ignore HTTP/1.1\r\nHost: \r\nConnection: close\r\n\r\n")

    def test_absolute_form(self, server: Served) -> None:
        assert b"204" in server.talk(request("http://any.where/ignore", "Connection: close"))

    def test_leaving_is_noticed(self, server: Served) -> None:
        with server.connect() as client:
            client.sendall(request("/gone"))
            read_head(client)
        assert LEFT.wait(10)

    def test_half_a_head_is_not_waited_for(self, server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("estiba.api.http.HEAD_SECONDS", 0.1)
        with server.connect() as client:
            client.sendall(b"GET /ignore HTTP/1.1\r\nHo")
            assert client.recv(1000).startswith(b"HTTP/1.1 408 Request Timeout")

    def test_a_stalled_body_does_not_hold_others_up(self, server: Served) -> None:
        with server.connect() as client:
            client.sendall(request("/digest", "Content-Length: 10", method="PUT", body=b"abc"))
            assert b"204" in server.talk(request("/ignore", "Connection: close"))

    def test_many_idle_connections(self, server: Served) -> None:
        idle = [server.connect() for _ in range(300)]
        try:
            assert b"204" in server.talk(request("/ignore", "Connection: close"))
        finally:
            for client in idle:
                client.close()
