"""Containers over the API: create, start, wait, look, stop, remove."""

from __future__ import annotations

import json
import threading
import time

import pytest
from tests.api.client import Client, read_all, unchunk
from tests.api.conftest import create, wait_for_end
from tests.unit.api.recorded import differences, recorded


def test_a_life(client: Client, name: str) -> None:
    container = create(client, name, "sh", "-c", "exit 7")
    head, waiting = client.open("POST", f"/containers/{container}/wait", condition="next-exit")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert client("POST", f"/containers/{container}/start").status == 204
    assert unchunk(read_all(waiting)) == b'{"StatusCode":7}\n'
    assert client("POST", f"/containers/{container}/start").status == 204
    assert wait_for_end(client, container) == 7
    assert client("DELETE", f"/containers/{container}").status == 204
    assert client("GET", f"/containers/{container}/json").status == 404


def test_created_and_exited_look_as_docker_s(client: Client, name: str) -> None:
    reply = client("POST", "/containers/create", {"Image": "bb"}, name=name)
    assert reply.json["Warnings"] == []
    differing = frozenset({".HostConfig.MaskedPaths", ".GraphDriver.Data"})
    ours = client("GET", f"/containers/{name}/json").json
    theirs = recorded("container-inspect-minimal-created")
    assert differences(ours, theirs, free=differing) == []
    assert {**ours["HostConfig"], "MaskedPaths": 0} == {**theirs["HostConfig"], "MaskedPaths": 0}
    client("POST", f"/containers/{name}/start")
    wait_for_end(client, name)
    ours = client("GET", f"/containers/{name}/json").json
    assert differences(ours, recorded("container-inspect-minimal-exited"), free=differing) == []


def test_the_list(client: Client, running: str) -> None:
    entries = client("GET", "/containers/json", filters={"name": [f"^/{running}$"]}).json
    assert len(entries) == 1
    theirs = recorded("container-list")[1]
    del theirs["SizeRootFs"]
    assert differences(entries[0], theirs) == []
    assert entries[0]["Status"].startswith("Up ")
    assert entries[0]["Image"] == "bb"
    assert "SizeRootFs" in client("GET", "/containers/json", size=1).json[0]


def test_limits_of_the_list(client: Client, name: str) -> None:
    create(client, name)
    assert client("GET", "/containers/json", limit=1).json[0]["Names"] == [f"/{name}"]
    assert name not in str(client("GET", "/containers/json").json)
    assert name in str(client("GET", "/containers/json", limit=-1, all=1).json)
    assert client("GET", "/containers/json", limit="x").status == 500


def test_stop_kill_restart_pause(client: Client, running: str) -> None:
    path = f"/containers/{running}"
    assert client("POST", f"{path}/start").status == 304
    assert client("POST", f"{path}/pause").status == 204
    assert client("GET", f"{path}/json").json["State"]["Status"] == "paused"
    assert client("POST", f"{path}/unpause").status == 204
    assert client("POST", f"{path}/restart", t=0).status == 204
    assert client("GET", f"{path}/json").json["State"]["Running"]
    assert client("POST", f"{path}/kill", signal="KILL").status == 204
    assert wait_for_end(client, running) == 137
    assert client("POST", f"{path}/start").status == 204
    assert client("POST", f"{path}/stop", t=0).status == 204
    assert client("POST", f"{path}/stop").status == 304


def test_rename_and_update(client: Client, running: str) -> None:
    other = f"{running}-renamed"
    assert client("POST", f"/containers/{running}/rename", name=other).status == 204
    reply = client("POST", f"/containers/{other}/update", {"Memory": 64 << 20, "MemorySwap": -1})
    assert (reply.status, reply.json) == (200, {"Warnings": None})
    assert client("GET", f"/containers/{other}/json").json["HostConfig"]["Memory"] == 64 << 20
    assert client("POST", f"/containers/{other}/rename", name=running).status == 204


def test_wait_for_removal(client: Client, name: str) -> None:
    create(client, name, "sh", "-c", "exit 3", HostConfig={"AutoRemove": True})
    _, waiting = client.open("POST", f"/containers/{name}/wait", condition="removed")
    assert client("POST", f"/containers/{name}/start").status == 204
    assert json.loads(unchunk(read_all(waiting)))["StatusCode"] == 3
    assert client("GET", f"/containers/{name}/json").status == 404


def test_a_wait_that_is_given_up(client: Client, running: str) -> None:
    _, waiting = client.open("POST", f"/containers/{running}/wait")
    waiting.close()
    assert client("GET", f"/containers/{running}/json").json["State"]["Running"]


def test_an_old_wait_answers_with_a_length(client: Client, name: str) -> None:
    create(client, name, "true")
    client("POST", f"/containers/{name}/start")
    reply = client.raw("POST", f"/v1.29/containers/{name}/wait")
    assert reply.headers["Content-Length"]
    assert reply.json == {"StatusCode": 0}


def test_top_changes_plan(client: Client, running: str) -> None:
    top = client("GET", f"/containers/{running}/top").json
    assert list(top) == ["Titles", "Processes"]
    assert any("sleep 600" in row[-1] for row in top["Processes"])
    assert client("GET", f"/containers/{running}/changes").json is None
    plan = client("GET", f"/estiba/containers/{running}/plan")
    assert plan.status == 200
    assert all(isinstance(line, str) for line in plan.json["Plan"])


def test_prune(client: Client, name: str) -> None:
    create(client, name, Labels={"prune": name})
    reply = client("POST", "/containers/prune", filters={"label": [f"prune={name}"]}).json
    assert len(reply["ContainersDeleted"]) == 1
    reply = client("POST", "/containers/prune", filters={"label": [f"prune={name}"]}).json
    assert reply == {"ContainersDeleted": None, "SpaceReclaimed": 0}


def test_statistics(client: Client, running: str) -> None:
    shot = client("GET", f"/containers/{running}/stats", stream=0, **{"one-shot": 1}).json
    theirs = recorded("stats-one-shot")
    del theirs["networks"]
    free = frozenset({".blkio_stats", ".memory_stats.stats", ".pids_stats"})
    assert differences(shot, theirs, free=free) == []
    single = client("GET", f"/containers/{running}/stats", stream=0).json
    assert single["preread"] > "2020"
    assert single["cpu_stats"]["system_cpu_usage"] > single["precpu_stats"]["system_cpu_usage"]
    head, stream = client.open("GET", f"/containers/{running}/stats", stream=1)
    assert b"chunked" in head
    data = b""
    while data.count(b'"read"') < 2:
        data += stream.recv(65536)
    stream.close()


@pytest.mark.parametrize("version", ["1.24", "1.40", "1.51"])
def test_all_versions(client: Client, running: str, version: str) -> None:
    assert client.raw("GET", f"/v{version}/containers/{running}/json").status == 200


def test_many_at_once(client: Client, name: str) -> None:
    codes: list[int] = []

    def one(number: int) -> None:
        own = f"{name}-{number}"
        create(client, own, "true", HostConfig={"AutoRemove": True})
        _, waiting = client.open("POST", f"/containers/{own}/wait", condition="removed")
        client("POST", f"/containers/{own}/start")
        codes.append(json.loads(unchunk(read_all(waiting)))["StatusCode"])

    threads = [threading.Thread(target=one, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [0] * 16


def test_inspect_is_fast(client: Client, running: str) -> None:
    with client.connect() as connection:
        request = f"GET /v1.51/containers/{running}/json HTTP/1.1\r\nHost: d\r\n\r\n".encode()
        times = []
        for _ in range(200):
            begin = time.perf_counter()
            connection.sendall(request)
            connection.recv(65536)
            times.append(time.perf_counter() - begin)
    assert sorted(times)[len(times) // 4] < 0.002


def test_the_plan_of_a_running_container_leaves_it_alone(client: Client, running: str) -> None:
    lines = client.raw("GET", f"/estiba/containers/{running}/plan").json["Plan"]
    assert any("exec" in line for line in lines)
    assert client("GET", f"/containers/{running}/json").json["State"]["Status"] == "running"
