"""Streams over the API: attach, exec, logs, events."""

from __future__ import annotations

import json
import os
import socket
import threading
import time

import pytest
from tests.api.client import Client, frames, read_all, read_exactly, read_head, unchunk
from tests.api.conftest import create, wait_for_end

MULTIPLEXED = b"Content-Type: application/vnd.docker.multiplexed-stream"
RAW = b"Content-Type: application/vnd.docker.raw-stream"


class TestAttach:
    def test_as_docker_run_does(self, client: Client, name: str) -> None:
        create(client, name, "sh", "-c", "echo out; echo err >&2")
        head, stream = client.open("POST", f"/containers/{name}/attach", upgrade=True, stream=1, stdout=1, stderr=1)
        assert head == b"HTTP/1.1 101 UPGRADED\r\n" + MULTIPLEXED + b"\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
        # the docker command has no stdin to send and says so
        stream.shutdown(socket.SHUT_WR)
        assert client("POST", f"/containers/{name}/start").status == 204
        assert frames(read_all(stream)) == {1: b"out\n", 2: b"err\n"}

    def test_without_upgrade(self, client: Client, name: str) -> None:
        create(client, name, "echo", "x")
        head, stream = client.open("POST", f"/containers/{name}/attach", stream=1, stdout=1)
        assert head == b"HTTP/1.1 200 OK\r\n" + RAW + b"\r\n\r\n"
        client("POST", f"/containers/{name}/start")
        assert frames(read_all(stream)) == {1: b"x\n"}

    def test_of_no_stream_ends_at_once(self, client: Client, name: str) -> None:
        create(client, name, "true")
        _, stream = client.open("POST", f"/containers/{name}/attach", upgrade=True, stream=1)
        assert read_all(stream) == b""

    def test_stdin_that_came_ahead(self, client: Client, name: str) -> None:
        config = {"OpenStdin": True, "StdinOnce": True, "AttachStdin": True}
        create(client, name, "sh", "-c", "cat; exit 5", **config)
        _, stream = client.open(
            "POST", f"/containers/{name}/attach", upgrade=True, ahead=b"ahead\n", stream=1, stdin=1, stdout=1
        )
        stream.sendall(b"behind\n")
        stream.shutdown(socket.SHUT_WR)
        client("POST", f"/containers/{name}/start")
        assert frames(read_all(stream)) == {1: b"ahead\nbehind\n"}
        assert wait_for_end(client, name) == 5

    def test_a_terminal_is_raw(self, client: Client, name: str) -> None:
        create(client, name, "sh", "-c", "test -t 1 && echo tty", Tty=True)
        head, stream = client.open("POST", f"/containers/{name}/attach", upgrade=True, stream=1, stdout=1)
        assert RAW in head
        client("POST", f"/containers/{name}/start")
        assert read_all(stream) == b"tty\r\n"

    def test_older_clients_see_the_raw_type(self, client: Client, name: str) -> None:
        create(client, name, "true")
        old = Client(client.path, "1.41")
        head, stream = old.open("POST", f"/containers/{name}/attach", upgrade=True, stream=1, stdout=1)
        stream.close()
        assert RAW in head

    def test_the_log_of_an_ended_one(self, client: Client, name: str) -> None:
        create(client, name, "echo", "logged")
        client("POST", f"/containers/{name}/start")
        wait_for_end(client, name)
        _, stream = client.open("POST", f"/containers/{name}/attach", upgrade=True, logs=1, stdout=1)
        assert frames(read_all(stream)) == {1: b"logged\n"}

    @pytest.mark.parametrize("upgrade", [True, False])
    def test_refusals_are_plain(self, client: Client, upgrade: bool) -> None:
        head, stream = client.open("POST", "/containers/nosuch/attach", upgrade=upgrade, stream=1)
        assert head == b"HTTP/1.1 404 Not Found\r\n" + RAW + b"\r\n\r\n"
        assert read_all(stream) == b"No such container: nosuch\r\n"

    def test_start_does_not_overtake_attach(self, client: Client, name: str) -> None:
        for number in range(20):
            own = f"{name}-{number}"
            create(client, own, "echo", "first", HostConfig={"AutoRemove": True})
            _, stream = client.open("POST", f"/containers/{own}/attach", upgrade=True, stream=1, stdout=1)
            client("POST", f"/containers/{own}/start")
            assert frames(read_all(stream)) == {1: b"first\n"}


def make_exec(client: Client, container: str, *command: str, **config: object) -> str:
    body = {"Cmd": list(command), "AttachStdout": True, "AttachStderr": True, **config}
    reply = client("POST", f"/containers/{container}/exec", body)
    assert reply.status == 201, reply.body
    return str(reply.json["Id"])


class TestExec:
    def test_output_and_code(self, client: Client, running: str) -> None:
        for number in range(20):
            exec_id = make_exec(client, running, "sh", "-c", f"echo out; echo err >&2; exit {number}")
            head, stream = client.open("POST", f"/exec/{exec_id}/start", {"Detach": False}, upgrade=True)
            assert head.startswith(b"HTTP/1.1 101 UPGRADED\r\n" + MULTIPLEXED)
            assert b"Api-Version: 1.51\r\n" in head
            assert frames(read_all(stream)) == {1: b"out\n", 2: b"err\n"}
            found = client("GET", f"/exec/{exec_id}/json").json
            assert (found["Running"], found["ExitCode"]) == (False, number)

    def test_stdin(self, client: Client, running: str) -> None:
        exec_id = make_exec(client, running, "cat", AttachStdin=True)
        _, stream = client.open("POST", f"/exec/{exec_id}/start", {"Detach": False}, upgrade=True, ahead=b"a")
        stream.sendall(b"bc")
        stream.shutdown(socket.SHUT_WR)
        assert frames(read_all(stream)) == {1: b"abc"}

    def test_detached(self, client: Client, running: str) -> None:
        exec_id = make_exec(client, running, "sleep", "100")
        reply = client("POST", f"/exec/{exec_id}/start", {"Detach": True})
        assert (reply.status, reply.body, reply.headers["Content-Length"]) == (200, b"", "0")
        assert client("GET", f"/exec/{exec_id}/json").json["Running"]

    def test_a_missing_program(self, client: Client, running: str) -> None:
        exec_id = make_exec(client, running, "nosuch")
        _, stream = client.open("POST", f"/exec/{exec_id}/start", {"Detach": False}, upgrade=True)
        said = frames(read_all(stream))[1].decode()
        assert said.endswith('exec: "nosuch": executable file not found in $PATH\r\n')
        assert said.startswith("OCI runtime exec failed: exec failed: ")
        assert client("GET", f"/exec/{exec_id}/json").json["ExitCode"] == 127

    def test_a_second_start(self, client: Client, running: str) -> None:
        exec_id = make_exec(client, running, "true")
        _, stream = client.open("POST", f"/exec/{exec_id}/start", {"Detach": False}, upgrade=True)
        read_all(stream)
        head, stream = client.open("POST", f"/exec/{exec_id}/start", {"Detach": False})
        assert head.startswith(b"HTTP/1.1 200 OK")
        assert frames(read_all(stream)) == {1: f"exec command {exec_id} has already run\r\n".encode()}

    def test_a_terminal(self, client: Client, running: str) -> None:
        exec_id = make_exec(client, running, "sh", "-c", "stty size; read x; echo got $x", Tty=True, AttachStdin=True)
        body = {"Detach": False, "Tty": True, "ConsoleSize": [33, 99]}
        head, stream = client.open("POST", f"/exec/{exec_id}/start", body, upgrade=True)
        assert RAW in head
        assert client("POST", f"/exec/{exec_id}/resize", h=33, w=99).status == 200
        assert read_exactly(stream, 7) == b"33 99\r\n"
        stream.sendall(b"it\n")
        assert read_all(stream).endswith(b"got it\r\n")


class TestLogs:
    def test_all(self, client: Client, name: str) -> None:
        create(client, name, "sh", "-c", "echo one; echo two; echo bad >&2")
        client("POST", f"/containers/{name}/start")
        wait_for_end(client, name)
        reply = client("GET", f"/containers/{name}/logs", stdout=1, stderr=1)
        assert reply.headers["Content-Type"] == "application/vnd.docker.multiplexed-stream"
        assert reply.headers["Transfer-Encoding"] == "chunked"
        assert frames(reply.body) == {1: b"one\ntwo\n", 2: b"bad\n"}
        # the last lines of both streams are counted
        assert frames(client("GET", f"/containers/{name}/logs", stdout=1, tail=2).body) == {1: b"two\n"}
        stamped = frames(client("GET", f"/containers/{name}/logs", stdout=1, timestamps=1, tail=2).body)[1]
        assert len(stamped.split()[0]) == len("2026-11-24T08:24:29.143394276Z")
        assert client("GET", f"/containers/{name}/logs", stdout=1, since=int(time.time()) + 100).body == b""

    def test_follow(self, client: Client, name: str) -> None:
        create(client, name, "sh", "-c", "echo a; read x; echo b", OpenStdin=True)
        client("POST", f"/containers/{name}/start")
        head, stream = client.open("GET", f"/containers/{name}/logs", stdout=1, follow=1)
        assert b"chunked" in head
        data = b""
        while b"a\n" not in data:
            data += stream.recv(4096)
        client("POST", f"/containers/{name}/kill")
        data += read_all(stream)
        assert data.endswith(b"0\r\n\r\n")
        assert frames(unchunk(data)) == {1: b"a\n"}

    def test_http_1_0(self, client: Client, name: str) -> None:
        create(client, name, "echo", "x")
        client("POST", f"/containers/{name}/start")
        wait_for_end(client, name)
        stream = client.connect()
        stream.sendall(f"GET /v1.51/containers/{name}/logs?stdout=1 HTTP/1.0\r\n\r\n".encode())
        assert b"chunked" not in read_head(stream)
        assert frames(read_all(stream)) == {1: b"x\n"}


class TestEvents:
    def test_live(self, client: Client, name: str) -> None:
        filters = json.dumps({"container": [name], "type": ["container"]})
        head, stream = client.open("GET", "/events", filters=filters)
        assert b"Content-Type: application/json" in head
        create(client, name, "true")
        client("POST", f"/containers/{name}/start")
        wait_for_end(client, name)
        data = b""
        while b'"die"' not in data:
            data += stream.recv(65536)
        stream.close()
        lines = [line for line in data.split(b"\r\n") if line.startswith(b"{")]
        assert [json.loads(line)["Action"] for line in lines] == ["create", "start", "die"]

    def test_history(self, client: Client, name: str) -> None:
        begin = time.time()
        create(client, name)
        reply = client(
            "GET", "/events", since=f"{begin:.9f}", until=f"{time.time():.9f}", filters={"container": [name]}
        )
        assert [event["Action"] for event in reply.lines] == ["create"]

    def test_until_ends_it(self, client: Client) -> None:
        begin = time.monotonic()
        assert client("GET", "/events", until=f"{time.time() + 0.5:.3f}").status == 200
        assert 0.3 < time.monotonic() - begin < 5

    def test_many_listeners(self, client: Client, name: str) -> None:
        streams = [client.open("GET", "/events")[1] for _ in range(50)]
        create(client, name)
        for stream in streams:
            data = b""
            while name.encode() not in data:
                data += stream.recv(65536)
            stream.close()


def test_a_large_stream_both_ways(client: Client, name: str) -> None:
    create(client, name, "cat", OpenStdin=True, StdinOnce=True)
    _, stream = client.open("POST", f"/containers/{name}/attach", upgrade=True, stream=1, stdin=1, stdout=1)
    client("POST", f"/containers/{name}/start")
    data = os.urandom(20_000_000)

    def send() -> None:
        stream.sendall(data)
        stream.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    received = read_all(stream.dup())
    sender.join()
    stream.close()
    assert frames(received)[1] == data
