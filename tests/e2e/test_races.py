"""Sixteen clients that do everything to a few containers at once: no answer is the engine's fault, nothing stays."""

from __future__ import annotations

import io
import os
import random
import tarfile
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from tests.api.client import Answer, Client, EngineProcess, read_all
from tests.support.command import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 15
CLIENTS = 16
NAMES = tuple(f"race{number}" for number in range(6))
COMMANDS = (["true"], ["sleep", "0.05"], ["sleep", "600"], ["sh", "-c", "exit 3"])
# Docker's own answer to an unpause of what is not paused
EXPECTED = "is not paused"


def request(chance: random.Random) -> dict[str, Any]:
    host = {"RestartPolicy": {"Name": chance.choice(("no", "no", "always", "on-failure"))}}
    return {
        "Image": "bb",
        "Cmd": chance.choice(COMMANDS),
        "Volumes": {"/v": {}} if chance.random() < 0.3 else None,
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 50_000_000} if chance.random() < 0.2 else None,
        "HostConfig": host if chance.random() < 0.8 else {"AutoRemove": True},
    }


def small_tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("f"))
    return buffer.getvalue()


class Clients:
    """What one of them may do, and what was answered."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.wrong: Counter[str] = Counter()
        self.answered: Counter[int] = Counter()
        self.tar = small_tar()

    def execute(self, name: str, chance: random.Random) -> Answer:
        command = chance.choice((["true"], ["sleep", "0.05"], ["nope"]))
        made = self.client("POST", f"/containers/{name}/exec", {"Cmd": command, "AttachStdout": True})
        if made.status != 201:
            return made
        head, stream = self.client.open("POST", f"/exec/{made.json['Id']}/start", {"Detach": False}, upgrade=True)
        if b" 101 " in head:
            read_all(stream)
        stream.close()
        return self.client("GET", f"/exec/{made.json['Id']}/json")

    def attach(self, name: str, chance: random.Random) -> None:
        logs = chance.choice((0, 1))
        _, stream = self.client.open(
            "POST", f"/containers/{name}/attach", upgrade=True, stream=1, stdout=1, stdin=1, logs=logs
        )
        stream.close()

    def wait(self, name: str, chance: random.Random) -> None:
        condition = chance.choice(("not-running", "next-exit", "removed"))
        _, stream = self.client.open("POST", f"/containers/{name}/wait", condition=condition)
        stream.close()

    def operations(self) -> dict[str, tuple[float, Callable[[str, random.Random], Answer | None]]]:
        """By name: how often in comparison, and what to do."""
        c = self.client
        return {
            "create": (8, lambda n, r: c("POST", "/containers/create", request(r), name=n)),
            "start": (8, lambda n, _: c("POST", f"/containers/{n}/start")),
            "stop": (3, lambda n, r: c("POST", f"/containers/{n}/stop", t=r.choice((0, 1)))),
            "kill": (3, lambda n, r: c("POST", f"/containers/{n}/kill", signal=r.choice(("KILL", "TERM", "HUP")))),
            "restart": (3, lambda n, _: c("POST", f"/containers/{n}/restart", t=0)),
            "pause": (1, lambda n, _: c("POST", f"/containers/{n}/pause")),
            "unpause": (1, lambda n, _: c("POST", f"/containers/{n}/unpause")),
            "rm": (2, lambda n, r: c("DELETE", f"/containers/{n}", v=r.choice((0, 1)))),
            "rm -f": (3, lambda n, r: c("DELETE", f"/containers/{n}", force=1, v=r.choice((0, 1)))),
            "rename": (1, lambda n, r: c("POST", f"/containers/{n}/rename", name=r.choice(NAMES))),
            "update": (1, lambda n, _: c("POST", f"/containers/{n}/update", {"RestartPolicy": {"Name": "no"}})),
            "inspect": (1, lambda n, r: c("GET", f"/containers/{n}/json", size=r.choice((0, 1)))),
            "list": (1, lambda _, r: c("GET", "/containers/json", all=1, size=r.choice((0, 1)))),
            "exec": (4, self.execute),
            "attach": (1, self.attach),
            "wait": (2, self.wait),
            "top": (1, lambda n, _: c("GET", f"/containers/{n}/top")),
            "stats": (1, lambda n, _: c("GET", f"/containers/{n}/stats", **{"stream": 0, "one-shot": 1})),
            "stat": (1, lambda n, _: c("HEAD", f"/containers/{n}/archive", path="/etc/passwd")),
            "cp out": (1, lambda n, _: c("GET", f"/containers/{n}/archive", path="/etc")),
            "cp in": (1, lambda n, _: c("PUT", f"/containers/{n}/archive", self.tar, path="/tmp")),
            "diff": (1, lambda n, _: c("GET", f"/containers/{n}/changes")),
            "export": (0.3, lambda n, _: c("GET", f"/containers/{n}/export")),
            "commit": (1, lambda n, r: c("POST", "/commit", container=n, repo=r.choice(("made1", "made2")))),
            "plan": (1, lambda n, _: c.raw("GET", f"/estiba/containers/{n}/plan")),
            "prune": (0.2, lambda *_: c("POST", "/containers/prune")),
            "volume prune": (0.5, lambda *_: c("POST", "/volumes/prune")),
            "image prune": (1, lambda *_: c("POST", "/images/prune")),
        }

    def work(self, number: int, end: float) -> None:
        chance = random.Random(number)
        operations = self.operations()
        names = list(operations)
        weights = [operations[name][0] for name in names]
        while time.monotonic() < end:
            (what,) = chance.choices(names, weights)
            try:
                answer = operations[what][1](chance.choice(NAMES), chance)
            except Exception as error:
                self.wrong[f"{what}: {error!r}"] += 1
                continue
            if answer is not None:
                self.answered[answer.status] += 1
                if answer.status >= 500 and EXPECTED not in answer.message:
                    self.wrong[f"{what}: {answer.status} {answer.message}"] += 1


def test_everything_at_once(engine: EngineProcess) -> None:
    assert engine.process is not None
    clients = Clients(engine.client)
    end = time.monotonic() + SECONDS
    threads = [threading.Thread(target=clients.work, args=(number, end)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        threads[0].join(0.2)
        if time.monotonic() > end:  # an exec into a paused container waits until it goes on
            for entry in engine.client("GET", "/containers/json", filters={"status": ["paused"]}).json:
                engine.client("POST", f"/containers/{entry['Id']}/unpause")
    assert not clients.wrong, "\n".join(f"{count} {what}" for what, count in clients.wrong.most_common(20))
    assert clients.answered[204] > 100
    nothing_stays(engine)


def nothing_stays(engine: EngineProcess) -> None:
    assert engine.process is not None
    client = engine.client
    for name in NAMES:
        assert client("DELETE", f"/containers/{name}", force=1, v=1).status in (204, 404)
    assert client("GET", "/containers/json", all=1).json == []
    (run,) = engine.run_dir.iterdir()
    assert os.listdir(run / "c") == os.listdir(engine.root / "containers") == []
    assert os.listdir(engine.root / "snapshots") == []
    client("POST", "/volumes/prune", filters={"all": ["1"]})
    assert os.listdir(engine.root / "volumes") == []
    descriptors = f"/proc/{engine.process.pid}/fd"
    eventually(lambda: len(os.listdir(descriptors)) < 60)
    assert "Traceback" not in engine.log.read_text()
