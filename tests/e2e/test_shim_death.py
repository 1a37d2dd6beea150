"""Shims and engines that die, in every order: containers end or live on, and it is known afterwards how."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.api.client import EngineProcess, frames, read_all, read_exactly
from tests.support import inventory
from tests.support.command import eventually
from tests.support.images import busybox_tar

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from tests.api.client import Client


def start(client: Client, name: str, *command: str, **host: Any) -> dict[str, Any]:
    """A running container as inspect shows it."""
    body = {"Image": "bb", "Cmd": list(command), "OpenStdin": True, "HostConfig": host}
    made = client("POST", "/containers/create", body, name=name)
    assert made.status == 201, made.body
    assert client("POST", f"/containers/{name}/start").status == 204
    return inspect(client, name)


def inspect(client: Client, name: str) -> dict[str, Any]:
    found: dict[str, Any] = client("GET", f"/containers/{name}/json").json
    return found


def shim_of(container: dict[str, Any]) -> int:
    stat = Path(f"/proc/{container['State']['Pid']}/stat").read_text()
    return int(stat.rsplit(")", 1)[1].split()[1])


def begin_exec(client: Client, container: str, *command: str) -> tuple[str, socket.socket]:
    """An exec that runs, and its stream."""
    body = {"Cmd": list(command), "AttachStdout": True, "AttachStdin": True}
    made = client("POST", f"/containers/{container}/exec", body).json["Id"]
    _, stream = client.open("POST", f"/exec/{made}/start", {"Detach": False}, upgrade=True)
    eventually(lambda: client("GET", f"/exec/{made}/json").json["Pid"])
    return made, stream


def echo(stream: socket.socket, text: bytes) -> None:
    """Through a program that says again what it hears."""
    stream.sendall(text)
    assert frames(read_exactly(stream, len(text) + 8)) == {1: text}


def assert_clean(engine: EngineProcess) -> None:
    """Nothing that runs is left of any container."""
    held = eventually(lambda: _empty(inventory.take(engine.root, engine.run_dir)))
    assert held


def _empty(held: inventory.Holdings) -> bool:
    return not (held.run_directories or held.cgroups or held.shims or held.mounts)


class TestShimDeath:
    def test_the_container_is_ended_with_a_reason(self, engine: EngineProcess) -> None:
        client = engine.client
        container = start(client, "orphan", "sh", "-c", "sleep 600 & sleep 600")
        _, waiting = client.open("POST", "/containers/orphan/wait", condition="next-exit")
        os.kill(shim_of(container), signal.SIGKILL)
        assert b'"StatusCode":137' in waiting.recv(4096)
        waiting.close()
        state = inspect(client, "orphan")["State"]
        assert (state["Status"], state["ExitCode"]) == ("exited", 137)
        assert "shim" in state["Error"]
        assert_clean(engine)
        assert client("POST", "/containers/orphan/start").status == 204
        assert inspect(client, "orphan")["State"]["Error"] == ""

    def test_its_clients_are_told(self, engine: EngineProcess) -> None:
        client = engine.client
        container = start(client, "orphan", "cat")
        _, attached = client.open("POST", "/containers/orphan/attach", upgrade=True, stream=1, stdout=1, stdin=1)
        made, executed = begin_exec(client, "orphan", "sleep", "600")
        os.kill(shim_of(container), signal.SIGKILL)
        assert read_all(attached) == b""
        assert read_all(executed) == b""
        assert not client("GET", f"/exec/{made}/json").json["Running"]
        assert_clean(engine)

    def test_restart_policies_apply(self, engine: EngineProcess) -> None:
        container = start(engine.client, "again", "sleep", "600", RestartPolicy={"Name": "always"})
        os.kill(shim_of(container), signal.SIGKILL)
        eventually(lambda: inspect(engine.client, "again")["State"]["Pid"] not in (0, container["State"]["Pid"]))
        assert inspect(engine.client, "again")["RestartCount"] == 1

    def test_an_exec_s_shim(self, engine: EngineProcess) -> None:
        client = engine.client
        start(client, "home", "sleep", "600")
        made, executed = begin_exec(client, "home", "sleep", "600")
        pid = client("GET", f"/exec/{made}/json").json["Pid"]
        os.kill(int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1]), signal.SIGKILL)
        assert read_all(executed) == b""
        found = eventually(lambda: (e := client("GET", f"/exec/{made}/json").json)["Running"] is False and e)
        assert found["ExitCode"] not in (0, None)
        assert inspect(client, "home")["State"]["Running"]
        eventually(lambda: not Path(f"/proc/{pid}").exists())

    def test_while_the_engine_is_away(self, engine: EngineProcess) -> None:
        container = start(engine.client, "orphan", "sleep", "600")
        engine.stop(signal.SIGKILL)
        os.kill(shim_of(container), signal.SIGKILL)
        eventually(lambda: not Path(f"/proc/{container['State']['Pid']}").exists())
        engine.start()
        state = inspect(engine.client, "orphan")["State"]
        assert (state["Status"], state["ExitCode"]) == ("exited", 137)
        assert "shim" in state["Error"]
        assert_clean(engine)


class TestEngineDeath:
    def test_streams_go_on(self, engine: EngineProcess) -> None:
        """Attach and exec, in both directions, from before the engine's end until after it."""
        client = engine.client
        start(client, "talk", "cat")
        _, attached = client.open("POST", "/containers/talk/attach", upgrade=True, stream=1, stdout=1, stdin=1)
        _, executed = begin_exec(client, "talk", "cat")
        echo(attached, b"one\n")
        echo(executed, b"one\n")
        engine.stop(signal.SIGKILL)
        echo(attached, b"two\n")
        echo(executed, b"two\n")
        executed.close()
        engine.start()
        echo(attached, b"three\n")
        client("POST", "/containers/talk/kill")
        assert read_all(attached) == b""
        assert frames(client("GET", "/containers/talk/logs", stdout=1).body) == {1: b"one\ntwo\nthree\n"}

    def test_an_end_meanwhile_is_known(self, engine: EngineProcess) -> None:
        client = engine.client
        start(client, "ends", "sh", "-c", "read x; echo $x; read x; echo last; exit 23")
        begun = inspect(client, "ends")["State"]["StartedAt"]
        _, attached = client.open("POST", "/containers/ends/attach", upgrade=True, stream=1, stdin=1, stdout=1)
        echo(attached, b"first\n")
        engine.stop(signal.SIGKILL)
        attached.sendall(b"\n")
        assert frames(read_all(attached)) == {1: b"last\n"}
        ended = time.time()
        time.sleep(0.3)
        engine.start()
        state = inspect(client, "ends")["State"]
        assert (state["Status"], state["ExitCode"], state["StartedAt"]) == ("exited", 23, begun)
        assert abs(seconds(state["FinishedAt"]) - ended) < 0.25
        assert client("POST", "/containers/ends/wait").json == {"StatusCode": 23}
        assert_clean(engine)

    def test_policies_and_rm_are_caught_up_with(self, engine: EngineProcess) -> None:
        client = engine.client
        once = "test -e /done && exec sleep 600; touch /done; read x; exit 3"
        policies = {
            "always": {"Name": "always"},
            "unless-stopped": {"Name": "unless-stopped"},
            "on-failure": {"Name": "on-failure", "MaximumRetryCount": 3},
            "no": {"Name": "no"},
        }
        pids = {
            name: start(client, name, "sh", "-c", once, RestartPolicy=policy)["State"]["Pid"]
            for name, policy in policies.items()
        }
        pids["rm"] = start(client, "rm", "sleep", "600", AutoRemove=True)["State"]["Pid"]
        start(client, "stopped", "sleep", "600", RestartPolicy=policies["unless-stopped"])
        client("POST", "/containers/stopped/stop", t=0)
        start(client, "stopped-always", "sleep", "600", RestartPolicy=policies["always"])
        client("POST", "/containers/stopped-always/stop", t=0)
        engine.stop(signal.SIGKILL)
        for pid in pids.values():
            os.kill(pid, signal.SIGKILL)
        for pid in pids.values():
            eventually(lambda pid=pid: not Path(f"/proc/{pid}").exists())
        engine.start()
        for name in ("always", "unless-stopped", "on-failure", "stopped-always"):
            eventually(lambda name=name: inspect(client, name)["State"]["Running"])
        for name in ("no", "stopped"):
            assert inspect(client, name)["State"]["Status"] == "exited", name
        eventually(lambda: client("GET", "/containers/rm/json").status == 404)

    def test_it_is_paused_and_healthy_still(self, engine: EngineProcess) -> None:
        client = engine.client
        body = {
            "Image": "bb",
            "Cmd": ["sleep", "600"],
            "Healthcheck": {"Test": ["CMD", "true"], "Interval": 100_000_000},
        }
        client("POST", "/containers/create", body, name="healthy")
        client("POST", "/containers/healthy/start")
        start(client, "paused", "sleep", "600")
        client("POST", "/containers/paused/pause")
        eventually(lambda: inspect(client, "healthy")["State"]["Health"]["Status"] == "healthy")
        engine.stop(signal.SIGKILL)
        engine.start()
        assert inspect(client, "paused")["State"]["Status"] == "paused"
        assert client("POST", "/containers/paused/unpause").status == 204
        health = inspect(client, "healthy")["State"]["Health"]
        assert health["Status"] == "healthy"
        last = health["Log"][-1]["Start"] if health["Log"] else ""
        eventually(lambda: inspect(client, "healthy")["State"]["Health"]["Log"][-1]["Start"] > last)


@pytest.fixture
def second(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    other = EngineProcess(tmp_path_factory.mktemp("second"))
    other.start()
    try:
        other.client("POST", "/images/create", busybox_tar(), fromSrc="-", repo="bb")
        yield other
        other.clear()
    finally:
        other.stop()


class TestTwoEngines:
    def test_side_by_side(self, engine: EngineProcess, second: EngineProcess) -> None:
        """The same names and volumes in both; what one does is not seen by the other."""
        for each in (engine, second):
            start(each.client, "same", "sh", "-c", "echo $HOSTNAME; cat", Binds=["same:/v"])
        mine, other = (inspect(each.client, "same") for each in (engine, second))
        assert mine["Id"] != other["Id"]
        assert mine["Mounts"][0]["Source"] != other["Mounts"][0]["Source"]
        second.stop(signal.SIGKILL)
        second.start()
        assert inspect(engine.client, "same")["State"]["Pid"] == mine["State"]["Pid"]
        assert inspect(second.client, "same")["State"]["Pid"] == other["State"]["Pid"]
        engine.clear()
        assert_clean(engine)
        assert inspect(second.client, "same")["State"]["Running"]

    def test_a_root_has_one_engine(self, engine: EngineProcess, tmp_path: Path) -> None:
        assert engine.process is not None
        command = [
            sys.executable,
            "-m",
            "estiba.daemon.main",
            "--root",
            str(engine.root),
            "--run-dir",
            str(tmp_path / "r"),
        ]
        refused = subprocess.run(
            [*command, "-H", f"unix://{tmp_path}/x.sock"], capture_output=True, text=True, timeout=30, check=False
        )
        assert refused.returncode == 1
        assert str(engine.root) in refused.stderr
        assert str(engine.process.pid) in refused.stderr
        assert str(engine.socket) in refused.stderr
        assert engine.client("GET", "/_ping").body == b"OK"
        assert not (tmp_path / "x.sock").exists()


def seconds(stamp: str) -> float:
    """RFC 3339 with nanoseconds to seconds since the epoch."""
    whole, _, fraction = stamp.rstrip("Z").partition(".")
    return (
        time.mktime(time.strptime(whole + " UTC", "%Y-%m-%dT%H:%M:%S %Z")) - time.timezone + float(f"0.{fraction or 0}")
    )
