"""An engine killed at any point: containers run on, nothing has no owner afterwards, and nothing is half-made.

A worker does all kinds of things over and over; the engine is killed at a random moment; the next engine must agree
with the kernel and the disk. Repeated ESTIBA_KILLS times (200).
"""

from __future__ import annotations

import contextlib
import http.client
import io
import os
import random
import signal
import tarfile
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.support import inventory

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.api.client import Client, EngineProcess

    Deed = Callable[[Client, str], Any]

KILLS = int(os.environ.get("ESTIBA_KILLS", "200"))
LONGEST_PAUSE = 0.35
SETTLED = 10.0
GONE = (OSError, http.client.HTTPException, EOFError, ValueError, LookupError)


@pytest.mark.timeout(900)
def test_random_kills_leave_nothing_and_lose_nothing(engine: EngineProcess) -> None:
    chance = random.Random(20)
    survivor = start(engine.client, "survivor", "sh", "-c", "i=0; while :; do echo $((i+=1)); sleep 0.05; done")
    pid = state(engine.client, survivor)["Pid"]
    for _ in range(KILLS):
        worker = Worker(engine.client, chance.random())
        worker.start()
        time.sleep(chance.uniform(0.001, LONGEST_PAUSE))
        engine.stop(signal.SIGKILL)
        worker.finish()
        engine.start()
        assert state(engine.client, survivor)["Pid"] == pid, "a running container did not survive"
        check(engine)
    numbers = log_numbers(engine.client, survivor)
    assert numbers == list(range(1, len(numbers) + 1)), "lines of the log were lost"


class Worker(threading.Thread):
    """Does things to the engine until it is gone."""

    def __init__(self, client: Client, seed: float) -> None:
        super().__init__(name="worker")
        self._client = client
        self._chance = random.Random(seed)
        self._ended = threading.Event()

    def run(self) -> None:
        deeds: tuple[Callable[[Client, str], Any], ...] = (
            run_once,
            run_in_background,
            execute,
            load,
            commit,
            with_volume,
        )
        for number in range(1000):
            if self._ended.is_set():
                return
            with contextlib.suppress(*GONE):
                self._chance.choice(deeds)(self._client, f"w{number}")

    def finish(self) -> None:
        self._ended.set()
        self.join(30)
        assert not self.is_alive()


def run_once(client: Client, name: str) -> None:
    client(
        "POST", "/containers/create", {"Image": "bb", "Cmd": ["true"], "HostConfig": {"AutoRemove": True}}, name=name
    )
    client("POST", f"/containers/{name}/start")
    client("POST", f"/containers/{name}/wait", condition="removed")


def run_in_background(client: Client, name: str) -> None:
    start(client, name, "sleep", "300")
    client("POST", f"/containers/{name}/stop", t=0)
    client("DELETE", f"/containers/{name}", force=1)


def execute(client: Client, name: str) -> None:
    identity = client("POST", "/containers/survivor/exec", {"Cmd": ["true"], "AttachStdout": True}).json["Id"]
    client("POST", f"/exec/{identity}/start", {"Detach": False})


def load(client: Client, name: str) -> None:
    client("POST", "/images/create", small_tree(name), fromSrc="-", repo=f"loaded-{name}")
    client("DELETE", f"/images/loaded-{name}", force=1)


def commit(client: Client, name: str) -> None:
    client("POST", "/commit", container="survivor", repo=f"committed-{name}", pause=0)
    client("DELETE", f"/images/committed-{name}", force=1)


def with_volume(client: Client, name: str) -> None:
    body = {"Image": "bb", "Cmd": ["true"], "HostConfig": {"Binds": [f"volume-{name}:/v"]}}
    client("POST", "/containers/create", body, name=name)
    client("POST", f"/containers/{name}/start")
    client("DELETE", f"/containers/{name}", force=1, v=1)
    client("DELETE", f"/volumes/volume-{name}")


def small_tree(name: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for number in range(20):
            member = tarfile.TarInfo(f"{name}/{number}")
            member.size = 1000
            archive.addfile(member, io.BytesIO(bytes(1000)))
    return buffer.getvalue()


def check(engine: EngineProcess) -> None:
    """Records, kernel and disk agree, soon after the start."""
    deadline = time.monotonic() + SETTLED
    while True:
        problems = disagreements(engine)
        if not problems:
            return
        if time.monotonic() > deadline:
            pytest.fail(f"after kill -9: {problems}\n{engine.log.read_text()[-2000:]}")
        time.sleep(0.02)


def disagreements(engine: EngineProcess) -> list[str]:
    listed = engine.client("GET", "/containers/json", all=1).json
    everyone = {entry["Id"] for entry in listed}
    running = {entry["Id"] for entry in listed if entry["State"] in ("running", "paused")}
    holdings = inventory.take(engine.root, engine.run_dir)
    comparisons = (
        ("snapshots", holdings.snapshots, everyone),
        ("directories", holdings.directories, everyone),
        ("run directories", holdings.run_directories, running),
        ("cgroups", holdings.cgroups, running),
        ("temporary files", holdings.temporary, set()),
    )
    problems = [f"{kind}: {found ^ expected}" for kind, found, expected in comparisons if found != expected]
    if len(holdings.shims) != len(running):
        problems.append(f"{len(holdings.shims)} shims for {len(running)} running containers")
    if holdings.mounts:
        problems.append(f"mounts: {holdings.mounts}")
    return problems


def start(client: Client, name: str, *command: str) -> str:
    created = client("POST", "/containers/create", {"Image": "bb", "Cmd": list(command)}, name=name)
    client("POST", f"/containers/{name}/start")
    return str(created.json["Id"])


def state(client: Client, identity: str) -> dict[str, Any]:
    found: dict[str, Any] = client("GET", f"/containers/{identity}/json").json["State"]
    return found


def log_numbers(client: Client, identity: str) -> list[int]:
    data = client("GET", f"/containers/{identity}/logs", stdout=1).body
    numbers = []
    while data:
        size = int.from_bytes(data[4:8], "big")
        numbers += [int(line) for line in data[8 : 8 + size].split()]
        data = data[8 + size :]
    return numbers
