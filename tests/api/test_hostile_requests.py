"""Requests that nobody means well: refused in time, by a sentence, and nobody else waits for it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from tests.api.conftest import create
from tests.support.command import eventually

if TYPE_CHECKING:
    import socket

    from tests.api.client import Client, EngineProcess

DIGITS = "9" * 5000
HUGE = 1 << 62
BLOCK = 1 << 20
# what no sentence of the engine's has: a Python exception's name
FAULTS = ("Error:", "Exceeds the limit", "embedded null")


def host(**config: Any) -> dict[str, Any]:
    return {"HostConfig": config}


@pytest.mark.parametrize(
    "config",
    [
        host(LogConfig={"Type": "json-file", "Config": {"max-size": "1e400"}}),
        host(LogConfig={"Type": "json-file", "Config": {"max-size": DIGITS}}),
        host(LogConfig={"Type": "json-file", "Config": {"max-file": DIGITS}}),
        host(Binds=["/tmp\0:/x"]),
        host(CgroupParent="/a\0b"),
        host(Devices=[{"PathOnHost": "/dev/null\0", "PathInContainer": "/dev/x", "CgroupPermissions": "r"}]),
        host(Binds=[f"/tmp:/m{number}" for number in range(2000)]),
        {"WorkingDir": "/a\0b"},
        {"Env": ["A=\0"]},
        {"Volumes": {f"/v{number}": {} for number in range(2000)}},
    ],
)
def test_creates(client: Client, name: str, config: dict[str, Any]) -> None:
    answer = client("POST", "/containers/create", {"Image": "bb", **config}, name=name)
    assert answer.status == 400, answer.message[:200]
    assert not any(fault in answer.message for fault in FAULTS)


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("POST", "/containers/prune", {"filters": {"until": [DIGITS]}}),
        ("POST", "/containers/prune", {"filters": {"until": ["1.2.3h"]}}),
        ("POST", "/containers/prune", {"filters": {"until": ["0001-01-01"]}}),
        ("POST", "/images/prune", {"filters": {"until": [DIGITS]}}),
        ("POST", "/containers/NAME/resize", {"h": DIGITS, "w": 1}),
        ("POST", "/containers/NAME/kill", {"signal": DIGITS}),
        ("GET", "/containers/NAME/top", {"ps_args": "\0"}),
        ("GET", "/containers/NAME/top", {"ps_args": " " * 200_000}),
        ("POST", "/commit", {"container": "NAME", "changes": f"HEALTHCHECK --interval={DIGITS}h CMD x"}),
        ("POST", "/commit", {"container": "NAME", "changes": "LABEL a=" + "${x:-" * 5000}),
        ("POST", "/commit", {"container": "NAME", "changes": ["ENV x=aaaaaaaaaa", *["ENV x=" + "$x" * 10] * 7]}),
    ],
)
def test_parameters(client: Client, running: str, method: str, path: str, query: dict[str, Any]) -> None:
    query = {key: running if value == "NAME" else value for key, value in query.items()}
    answer = client(method, path.replace("NAME", running), **query)
    assert answer.status == 400, answer.message[:200]
    assert not any(fault in answer.message for fault in FAULTS)


def test_versions_of_many_digits(client: Client) -> None:
    assert client.raw("GET", f"/v{DIGITS}/info").status == 404


def test_half_a_surrogate_pair_is_replaced(client: Client, name: str) -> None:
    create(client, name, "true", Labels={"a": "\ud800b"})
    assert client("GET", f"/containers/{name}/json").json["Config"]["Labels"]["a"] == "\ufffdb"


def test_a_time_out_beyond_all_time(client: Client, running: str) -> None:
    stopping = threading.Thread(target=client, args=("POST", f"/containers/{running}/stop"), kwargs={"t": HUGE})
    stopping.start()
    assert client("POST", f"/containers/{running}/kill").status in (204, 409)
    stopping.join(10)
    assert not stopping.is_alive()


@pytest.mark.parametrize(
    ("path", "filters"),
    [
        ("/containers/json", {"name": ["(a+)+$"]}),
        ("/volumes", {"name": ["(a+)+$"]}),
        ("/images/json", {"reference": ["*a" * 40 + "b"]}),
    ],
)
def test_expressions_that_take_for_ever_elsewhere(client: Client, path: str, filters: dict[str, list[str]]) -> None:
    long = "a" * 60
    create(client, long + "-", "true")
    client("POST", "/volumes/create", {"Name": long + "-"})
    client("POST", "/images/bb/tag", repo=long + "/x", tag="1")
    try:
        began = time.monotonic()
        assert client("GET", path, all=1, filters=filters).status == 200
        assert time.monotonic() - began < 5
    finally:
        client("DELETE", f"/containers/{long}-")
        client("DELETE", f"/volumes/{long}-")
        client("DELETE", f"/images/{long}/x:1")


@pytest.mark.parametrize(
    "body", [b"[" + b"1," * (7 * BLOCK) + b"x", b"[" * (15 * BLOCK), b'"' + b"\\n" * BLOCK + b"\\x"]
)
def test_nobody_waits_for_large_bad_json(client: Client, running: str, body: bytes) -> None:
    slowest, ended = 0.0, threading.Event()

    def ping() -> None:
        nonlocal slowest
        while not ended.is_set():
            began = time.monotonic()
            client("GET", "/_ping")
            slowest = max(slowest, time.monotonic() - began)

    pinging = threading.Thread(target=ping)
    pinging.start()
    began = time.monotonic()
    for path in (f"/containers/{running}/exec", "/containers/create"):
        answer = client.raw("POST", client.prefix + path, body, {"Content-Type": "application/json"})
        assert answer.status in (400, 413)
    ended.set()
    pinging.join()
    assert time.monotonic() - began < 10
    assert slowest < 3


def test_stalled_transfers_keep_nobody_from_starting(client: Client, running: str, name: str) -> None:
    with ExitStack() as stalled:
        for _ in range(80):
            connection = stalled.enter_context(client.connect())
            connection.sendall(f"GET /containers/{running}/export HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        eventually(lambda: client("GET", "/_ping").status == 200)
        _, attached = client.open("POST", f"/containers/{running}/attach", upgrade=True, stream=1, stdout=1)
        stalled.enter_context(attached)
        assert client("POST", "/containers/create", {"Image": "bb", "Cmd": ["true"]}, name=f"{name}x").status == 201
        assert client("POST", f"/containers/{name}x/start").status == 204
        assert client("POST", f"/containers/{name}x/wait").json["StatusCode"] == 0
        assert client("GET", f"/containers/{running}/changes").status == 200
        assert client("DELETE", f"/containers/{name}x").status == 204


def test_a_thousand_idle_connections(client: Client, engine: EngineProcess) -> None:
    assert engine.process is not None
    descriptors = f"/proc/{engine.process.pid}/fd"
    before = len(os.listdir(descriptors))
    idle: list[socket.socket] = []
    try:
        while len(idle) < 1000:
            try:
                idle.append(client.connect())
            except BlockingIOError:  # its queue is full for a moment
                time.sleep(0.01)
        for connection in idle[::2]:
            connection.sendall(b"GET /_pi")
        assert client("GET", "/_ping").body == b"OK"
    finally:
        for connection in idle:
            connection.close()
    eventually(lambda: len(os.listdir(descriptors)) < before + 20)


def test_a_health_check_in_fifty_days(client: Client, name: str) -> None:
    create(client, name, "sleep", "600", Healthcheck={"Test": ["CMD", "true"], "Interval": 50 * 86400 * 10**9})
    assert client("POST", f"/containers/{name}/start").status == 204
    assert client("POST", f"/containers/{name}/kill").status == 204  # its end is still noticed


def test_a_container_that_fills_its_resolv_conf_with_nothing(client: Client, name: str) -> None:
    create(client, name, "dd", "if=/dev/zero", "of=/etc/resolv.conf", "bs=1", "count=1", f"seek={1 << 40}")
    for _ in range(2):
        assert client("POST", f"/containers/{name}/start").status == 204
        client("POST", f"/containers/{name}/wait")


def image_archive(*images: tuple[dict[str, Any], list[str], str]) -> bytes:
    """A docker-archive of (configuration, names, parent), each of the same small layer."""
    buffer, layer = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as small:
        small.addfile(tarfile.TarInfo("f"))
    files = {"layer.tar": layer.getvalue()}
    entries = []
    for config, names, parent in images:
        data = encoded(config, layer.getvalue())
        files[f"{len(entries)}.json"] = data
        entries.append({"Config": f"{len(entries)}.json", "RepoTags": names, "Layers": ["layer.tar"], "Parent": parent})
    files["manifest.json"] = json.dumps(entries).encode()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def encoded(config: dict[str, Any], layer: bytes) -> bytes:
    diff_id = f"sha256:{hashlib.sha256(layer).hexdigest()}"
    return json.dumps({"os": "linux", "rootfs": {"type": "layers", "diff_ids": [diff_id]}, **config}).encode()


def test_parents_in_a_circle_can_be_removed(client: Client) -> None:
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as small:
        small.addfile(tarfile.TarInfo("f"))
    first, second = {"author": "a"}, {"author": "b"}
    ids = [f"sha256:{hashlib.sha256(encoded(config, layer.getvalue())).hexdigest()}" for config in (first, second)]
    data = image_archive((first, ["circle-a:1"], ids[1]), (second, ["circle-b:1"], ids[0]))
    assert client("POST", "/images/load", data).status == 200
    assert client("GET", "/containers/json", filters={"ancestor": ["circle-a:1"]}).status == 200
    for name in ("circle-a:1", "circle-b:1"):
        client("DELETE", f"/images/{name}")
    client("POST", "/images/prune")
    assert not {image["Id"] for image in client("GET", "/images/json", all=1).json} & set(ids)


def test_thousands_of_names_come_and_go(client: Client) -> None:
    config = {"config": {"Labels": {"many": ""}}}
    names = [f"many{number}:1" for number in range(3000)]
    began = time.monotonic()
    assert client("POST", "/images/load", image_archive((config, names, ""))).status == 200
    assert client("POST", "/images/prune", filters={"dangling": ["0"], "label": ["many"]}).status == 200
    assert client("GET", "/images/json", filters={"reference": ["many*"]}).json == []
    assert time.monotonic() - began < 20
