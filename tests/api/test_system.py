"""Ping, versions, info, disk usage, and the manners of the whole API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.unit.api.recorded import differences, recorded

if TYPE_CHECKING:
    from tests.api.client import Client


def test_ping(client: Client) -> None:
    for method, body in (("GET", b"OK"), ("HEAD", b"")):
        for path in ("/_ping", "/v1.30/_ping"):
            reply = client.raw(method, path)
            assert (reply.status, reply.body) == (200, body)
            assert reply.headers["Content-Type"] == "text/plain; charset=utf-8"
            assert reply.headers["Content-Length"] == str(len(body))
            assert reply.headers["Api-Version"] == "1.51"
            assert reply.headers["Ostype"] == "linux"
            assert reply.headers["Builder-Version"] == "1"
            assert reply.headers["Swarm"] == "inactive"
            assert reply.headers["Cache-Control"] == "no-cache, no-store, must-revalidate"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("OPTIONS", "/containers/json", 200),
        ("OPTIONS", "/nosuch", 200),
        ("HEAD", "/containers/json", 404),
        ("PUT", "/containers/json", 404),
        ("GET", "//v1.51/info", 301),
        ("GET", "/containers//x/json", 301),
        ("GET", "/containers/%2Fx/json", 301),
        ("GET", "/vX/version", 404),
        ("GET", "/v1/version", 400),
        ("GET", "/v1.24.1/version", 200),
        ("GET", "/v1.99/version", 400),
        ("GET", "/1.24/version", 404),
        ("GET", "/version/", 404),
    ],
)
def test_pages(client: Client, method: str, path: str, status: int) -> None:
    assert client.raw(method, path).status == status


def test_where_a_redirect_leads(client: Client) -> None:
    assert client.raw("GET", "/containers//x/json?a=b").headers["Location"] == "/containers/x/json?a=b"


def test_version(client: Client) -> None:
    ours = client("GET", "/version").json
    assert list(ours) == list(recorded("version"))
    assert (ours["ApiVersion"], ours["MinAPIVersion"], ours["Os"]) == ("1.51", "1.24", "linux")


def test_info(client: Client) -> None:
    ours, theirs = client("GET", "/info").json, recorded("info")
    for key in ("FirewallBackend", "Containerd"):
        del theirs[key]
    free = frozenset(
        {".Runtimes", ".CDISpecDirs", ".DriverStatus", ".Warnings", ".Images", ".Containers", ".OSVersion"}
    )
    found = [line for line in differences(ours, theirs, free=free) if "KernelMemoryTCP" not in line]
    assert found == []
    assert ours["Containers"] == ours["ContainersRunning"] + ours["ContainersPaused"] + ours["ContainersStopped"]


def test_disk_usage(client: Client, running: str) -> None:
    ours = client("GET", "/system/df").json
    assert list(ours) == list(recorded("system-df"))
    assert any(entry["Names"] == [f"/{running}"] for entry in ours["Containers"])
    images = client("GET", "/system/df", type="image").json
    assert images["Containers"] is None
    assert images["BuildCache"] is None
    assert client("GET", "/system/df", type="foo").message == "unknown object type: foo"


@pytest.mark.parametrize(
    ("method", "path", "status", "shown"),
    [
        ("GET", "/plugins", 200, []),
        ("POST", "/networks/prune", 200, {"NetworksDeleted": None}),
        ("POST", "/build/prune", 200, {"CachesDeleted": None, "SpaceReclaimed": 0}),
        ("POST", "/build", 501, None),
        ("GET", "/images/search?term=x", 501, None),
        ("POST", "/images/create?fromImage=x&tag=1", 501, None),
        ("GET", "/services", 503, None),
        ("POST", "/swarm/leave", 503, None),
    ],
)
def test_later_objects(client: Client, method: str, path: str, status: int, shown: object) -> None:
    reply = client.raw(method, path)
    assert reply.status == status
    if shown is not None:
        assert reply.json == shown
    elif status == 501:
        assert len(reply.message.split()) > 4


def test_networks(client: Client) -> None:
    networks = client("GET", "/networks").json
    assert sorted(network["Name"] for network in networks) == ["bridge", "host", "none"]
    for network in networks:
        assert client("GET", f"/networks/{network['Id'][:12]}").json == network


class TestBadClients:
    def test_a_hundred_megabytes_of_json(self, client: Client) -> None:
        reply = client("POST", "/containers/create", b"[" + b" " * 100_000_000)
        assert reply.status == 400
        headers = {"Content-Type": "application/json"}
        reply = client.raw("POST", "/v1.51/containers/create", b"[" + b" " * 100_000_000, headers)
        assert reply.status == 413
        assert "too large" in reply.message

    def test_a_thousand_idle_connections(self, client: Client) -> None:
        idle = [client.connect() for _ in range(1000)]
        try:
            assert client("GET", "/info").status == 200
        finally:
            for connection in idle:
                connection.close()

    def test_half_a_head_does_not_hold_others_up(self, client: Client) -> None:
        with client.connect() as connection:
            connection.sendall(b"GET /_ping HTTP/1.1\r\nHo")
            assert client("GET", "/_ping").status == 200

    @pytest.mark.parametrize("name", ["a%2Fb", "%00", "..%2F..%2Fetc", "a" * 5000, "%ff%fe", "a%0Ab"])
    def test_odd_names(self, client: Client, name: str) -> None:
        assert client.raw("GET", f"/containers/{name}/json").status in (301, 404)
        assert client.raw("GET", f"/volumes/{name}").status in (301, 404)
        assert client.raw("GET", f"/images/{name}/json").status in (301, 400, 404)
