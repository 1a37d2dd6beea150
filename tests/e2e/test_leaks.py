"""What a thousand containers leave behind: nothing. And many at once, by many clients.

ESTIBA_CYCLES sets the number of lives (1000).
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support import inventory

if TYPE_CHECKING:
    from tests.api.client import Client, EngineProcess

# a thousand lives take minutes on a busy machine
pytestmark = pytest.mark.timeout(600)

CYCLES = int(os.environ.get("ESTIBA_CYCLES", "1000"))
WARM = 100
MOST_GROWTH_KB = 2048
NAMESPACES = ("mnt", "pid", "net", "ipc", "uts", "cgroup", "user")
AT_ONCE, CLIENTS = 200, 16
SETTLED = 10.0


@dataclass(frozen=True)
class Amounts:
    """What there is of an engine and of the machine it runs on."""

    descriptors: int
    threads: int
    mounts: int
    children: int
    shims: int
    cgroups: int
    inodes: int
    run_directories: int


def amounts(engine: EngineProcess) -> Amounts:
    assert engine.process is not None
    pid = engine.process.pid
    held = inventory.take(engine.root, engine.run_dir)
    return Amounts(
        descriptors=len(os.listdir(f"/proc/{pid}/fd")),
        threads=len(os.listdir(f"/proc/{pid}/task")),
        mounts=len(held.mounts),
        children=len(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()),
        shims=len(held.shims),
        cgroups=len(held.cgroups),
        inodes=sum(len(names) + len(files) for _, names, files in os.walk(engine.root)),
        run_directories=len(held.run_directories),
    )


def resident(engine: EngineProcess) -> int:
    """The engine's own memory in kB: what is shared with others or read from files comes and goes."""
    assert engine.process is not None
    rollup = Path(f"/proc/{engine.process.pid}/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith(("Private_Dirty", "Swap:")))


def namespaces() -> set[str]:
    """All that some process is in."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for kind in NAMESPACES:
            try:
                found.add(os.readlink(f"/proc/{pid}/ns/{kind}"))
            except OSError:
                continue
    return found


def run_once(client: Client, number: int) -> None:
    """What `docker run --rm` asks for, with a volume now and then."""
    host: dict[str, object] = {"AutoRemove": True, "NetworkMode": "none"}
    if number % 10 == 0:
        host["Binds"] = ["/data"]
    made = client("POST", "/containers/create", {"Image": "bb", "Cmd": ["echo", str(number)], "HostConfig": host})
    assert made.status == 201, made.body
    path = f"/containers/{made.json['Id']}"
    head, stream = client.open("POST", f"{path}/attach", upgrade=True, stream=1, stdout=1)
    assert b"101" in head
    _, waiting = client.open("POST", f"{path}/wait", condition="removed")
    assert client("POST", f"{path}/start").status == 204
    with stream, waiting:
        while stream.recv(4096):
            pass
        assert b'"StatusCode":0' in waiting.recv(4096)


def settle(engine: EngineProcess, wanted: Amounts) -> Amounts:
    """What is there when all that was begun has ended; threads of pools may be more than before."""
    deadline = time.monotonic() + SETTLED
    while True:
        now = amounts(engine)
        if now.descriptors <= wanted.descriptors and now.shims <= wanted.shims and now.inodes <= wanted.inodes:
            return now
        if time.monotonic() > deadline:
            return now
        time.sleep(0.05)


def test_lives_leave_nothing(engine: EngineProcess) -> None:
    for number in range(WARM):
        run_once(engine.client, number)
    time.sleep(1)
    before, memory = amounts(engine), resident(engine)
    for number in range(CYCLES):
        run_once(engine.client, number)
    after = settle(engine, before)
    assert (after.mounts, after.children, after.shims) == (before.mounts, before.children, before.shims)
    assert (after.cgroups, after.run_directories) == (before.cgroups, before.run_directories)
    assert after.inodes <= before.inodes
    assert after.descriptors <= before.descriptors + 1
    assert after.threads <= before.threads + 2
    assert resident(engine) - memory < MOST_GROWTH_KB
    assert engine.client("GET", "/volumes").json["Volumes"] == []


def test_execs_and_failures_leave_nothing(engine: EngineProcess) -> None:
    client = engine.client
    client("POST", "/containers/create", {"Image": "bb", "Cmd": ["sleep", "600"]}, name="host")
    client("POST", "/containers/host/start")

    def once() -> None:
        made = client("POST", "/containers/host/exec", {"Cmd": ["echo", "x"], "AttachStdout": True}).json["Id"]
        client("POST", f"/exec/{made}/start", {"Detach": False})
        body = {"Image": "bb", "Cmd": ["nosuch"], "HostConfig": {"AutoRemove": True}}
        refused = client("POST", f"/containers/{client('POST', '/containers/create', body).json['Id']}/start")
        assert refused.status == 400
        client("GET", "/containers/host/archive", path="/etc")
        client("GET", "/containers/host/logs", stdout=1)

    for _ in range(50):
        once()
    time.sleep(1)
    before, memory, known = amounts(engine), resident(engine), namespaces()
    for _ in range(150):
        once()
    after = settle(engine, before)
    assert (after.mounts, after.children, after.shims) == (before.mounts, before.children, before.shims)
    assert (after.cgroups, after.run_directories) == (before.cgroups, before.run_directories)
    assert after.inodes <= before.inodes + 2
    assert after.descriptors <= before.descriptors + 1
    assert resident(engine) - memory < MOST_GROWTH_KB
    assert len(namespaces() - known) < 12  # those of other tests on this machine come and go


def test_many_at_once(engine: EngineProcess) -> None:
    """200 containers that run beside each other, made by 16 clients; each does its own and all are found."""
    client = engine.client

    def begin(number: int) -> str:
        body = {"Image": "bb", "Cmd": ["sh", "-c", f"echo {number}; read x"], "OpenStdin": True}
        made = client("POST", "/containers/create", body, name=f"many{number}")
        assert made.status == 201, made.body
        started = client("POST", f"/containers/many{number}/start")
        assert started.status == 204, started.body
        return str(made.json["Id"])

    def end(number: int) -> None:
        log = client("GET", f"/containers/many{number}/logs", stdout=1).body
        assert log[8:] == f"{number}\n".encode()
        assert client("POST", f"/containers/many{number}/kill").status == 204
        assert client("POST", f"/containers/many{number}/wait").json["StatusCode"] == 137
        assert client("DELETE", f"/containers/many{number}").status == 204

    with ThreadPoolExecutor(CLIENTS) as pool:
        made = set(pool.map(begin, range(AT_ONCE)))
        assert {entry["Id"] for entry in client("GET", "/containers/json").json} == made
        assert len(inventory.take(engine.root, engine.run_dir).shims) == AT_ONCE
        list(pool.map(end, range(AT_ONCE)))
    held = inventory.take(engine.root, engine.run_dir)
    assert (held.cgroups, held.run_directories, held.snapshots) == (set(), set(), set())


def test_many_clients_run_short_ones(engine: EngineProcess) -> None:
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(lambda number: run_once(engine.client, number), range(AT_ONCE)))
    assert engine.client("GET", "/containers/json", all=1).json == []
