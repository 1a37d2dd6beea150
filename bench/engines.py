"""The engines that are measured, each with directories of its own.

Docker is the engine at DOCKER_PEER_HOST (a DOCKER_HOST), else a `dockerd` of this machine that is started for the
run; without either there is only Estiba.
"""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import processes
from bench.api import Api, Refused
from bench.figures import DOCKER, ESTIBA

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 60


@dataclass(frozen=True)
class Engine:
    """An engine that serves.

    Attributes:
        name: ESTIBA or DOCKER.
        socket: path of its socket.
        version: as it says.
        pids: its own processes (Docker: dockerd and its containerd).
    """

    name: str
    socket: str
    version: str
    pids: tuple[int, ...]

    def api(self) -> Api:
        """A connection of the caller's."""
        return Api(self.socket)

    def command(self, *words: str) -> list[str]:
        """The stock docker command on this engine."""
        return ["docker", "-H", f"unix://{self.socket}", *words]

    def own_command(self, *words: str) -> list[str]:
        """The engine's own command: `estiba` beside `docker`."""
        if self.name == DOCKER:
            return self.command(*words)
        return [str(Path(sys.executable).with_name("estiba")), "-H", f"unix://{self.socket}", *words]

    def cpu_seconds(self) -> float:
        """Of the engine's processes, shims not among them."""
        return sum(map(processes.cpu_seconds, self.pids))

    def rss(self) -> int:
        """Bytes resident in the engine's processes."""
        return sum(map(processes.rss, self.pids))


@contextmanager
def engines(directory: Path, memory: Path) -> Iterator[list[Engine]]:
    """Estiba, and Docker where there is one, for the length of a run; see Setting for the directories."""
    with estiba(directory / ESTIBA, memory) as ours:
        host = os.environ.get("DOCKER_PEER_HOST", "").removeprefix("unix://")
        if host:
            yield [ours, _described(DOCKER, host)]
        elif shutil.which("dockerd"):
            with dockerd(directory / DOCKER) as theirs:
                yield [ours, theirs]
        else:
            yield [ours]


@contextmanager
def estiba(directory: Path, run_dir: Path) -> Iterator[Engine]:
    """`estiba serve` with a root of its own; run_dir is in memory, as the usual /run is."""
    directory.mkdir()
    reader, writer = os.pipe()
    words = ["serve", "--root", str(directory / "root"), "--run-dir", str(run_dir), f"--ready-fd={writer}"]
    command = [str(Path(sys.executable).with_name("estiba")), *words, "-H", f"unix://{directory / 'socket'}"]
    with open(directory / "log", "wb") as log:
        process = subprocess.Popen(command, pass_fds=[writer], stdout=log, stderr=log)
    os.close(writer)
    try:
        with open(reader, "rb") as ready:
            if not select.select([ready], [], [], SECONDS)[0] or not ready.read(1):
                raise SystemExit(f"the engine did not start:\n{(directory / 'log').read_text()}")
        engine = _described(ESTIBA, str(directory / "socket"))
        try:
            yield engine
        finally:
            _clear(engine)
    finally:
        process.terminate()
        process.wait()


@contextmanager
def dockerd(directory: Path) -> Iterator[Engine]:
    """A dockerd of this machine, without networks."""
    directory.mkdir()
    path = directory / "socket"
    places = [f"--{kind}={directory / kind}" for kind in ("data-root", "exec-root", "pidfile")]
    command = ["dockerd", "-H", f"unix://{path}", *places, "--bridge=none", "--iptables=false"]
    with open(directory / "log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + SECONDS
        while not _answers(path):
            # dockerd has no other way to say that it is ready
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"dockerd did not start:\n{(directory / 'log').read_text()}")
            time.sleep(0.1)
        yield _described(DOCKER, str(path))
    finally:
        process.terminate()
        process.wait()


def _clear(engine: Engine) -> None:
    """Remove what a failed measurement left running: containers outlive their engine."""
    with suppress(OSError, Refused), engine.api() as api:
        for container in api.json("GET", "/containers/json?all=1"):
            api.call("DELETE", f"/containers/{container['Id']}?force=1")


def _answers(path: Path) -> bool:
    try:
        with Api(str(path)) as api:
            return api.call("GET", "/_ping") == b"OK"
    except OSError:
        return False


def _described(name: str, path: str) -> Engine:
    with Api(path) as api:
        version = str(api.json("GET", "/version")["Version"])
        main = api.peer()
    others = [pid for pid in processes.children(main) if processes.name(pid) == "containerd"]
    return Engine(name, path, version, (main, *others))
