"""Containers shown as Docker shows them, compared with what Docker 28.5.2 answered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace
from tests.unit.api.recorded import differences, recorded

from estiba.api import wire
from estiba.api.wire_containers import show_container, show_entry, show_exec, status_text
from estiba.engine.config import (
    ContainerConfig,
    EndpointConfig,
    ExecConfig,
    HealthCheck,
    HostConfig,
    LogConfig,
    MountRequest,
    PortBinding,
    RestartPolicy,
)
from estiba.engine.execs import ExecRecord
from estiba.engine.state import (
    Container,
    Created,
    Dead,
    Ended,
    Exited,
    Health,
    MountPoint,
    Probe,
    Removing,
    Restarting,
    Running,
)

NOW = 1_767_323_045_678_901_234
SECOND = 1_000_000_000
STORAGE = {"LowerDir": "/l", "MergedDir": "/m", "UpperDir": "/u", "WorkDir": "/w"}

MINIMAL = Container(
    id="1" * 64,
    name="rec-min",
    created=NOW,
    path="/bin/sh",
    args=[],
    image=f"sha256:{'2' * 64}",
    config=ContainerConfig(hostname="1" * 12, cmd=["/bin/sh"], image="rec-bb:1"),
    host=HostConfig(
        log_config=LogConfig(type="json-file"),
        network_mode="bridge",
        restart_policy=RestartPolicy(name="no"),
        cgroupns_mode="host",
        ipc_mode="private",
        shm_size=1 << 26,
        runtime="runc",
        oom_kill_disable=False,
        masked_paths=["/proc/kcore"],
        readonly_paths=["/proc/sys"],
    ),
    state=Created(),
    endpoints={"bridge": EndpointConfig()},
    directory="/d",
)
RUNNING = replace(
    MINIMAL,
    config=replace(
        MINIMAL.config,
        exposed_ports={"90/udp": {}},
        env=["A=1"],
        healthcheck=HealthCheck(test=["CMD", "true"], interval=SECOND),
        labels={"k": "v"},
    ),
    args=["3000"],
    host=replace(
        MINIMAL.host,
        binds=["v:/v"],
        port_bindings={"80/tcp": [PortBinding(host_port="18080")]},
        mounts=[MountRequest(type="tmpfs", target="/tm")],
    ),
    state=Running(pid=7, started_at=NOW - 3 * SECOND),
    ever_started=True,
    health=Health(status="healthy", log=(Probe(start=NOW, end=NOW, exit_code=0, output=""),)),
    mounts=(
        MountPoint(type="volume", name="rec-vol", source="/s", destination="/v", driver="local", mode="ro", rw=False),
        MountPoint(type="bind", source="/tmp", destination="/t", propagation="rprivate"),
        MountPoint(type="tmpfs", destination="/tm"),
    ),
    endpoints={"rec-n": EndpointConfig(aliases=["al"], dns_names=["x"])},
)


def shown(container: Container, **more: Any) -> Any:
    return json.loads(wire.encode(show_container(container, storage=STORAGE, exec_ids=[], **more)))


def test_a_minimal_container() -> None:
    assert differences(shown(MINIMAL), recorded("container-inspect-minimal-created")) == []


def test_values_of_a_minimal_container() -> None:
    ours, theirs = shown(MINIMAL), recorded("container-inspect-minimal-created")
    for key in ("State", "Name", "Path", "Args", "Driver", "Platform", "ResolvConfPath", "LogPath", "Mounts"):
        assert ours[key] == theirs[key]
    for key in ("MaskedPaths", "ReadonlyPaths"):
        del ours["HostConfig"][key], theirs["HostConfig"][key]
    assert ours["HostConfig"] == theirs["HostConfig"]
    assert ours["Created"] == theirs["Created"]
    assert ours["NetworkSettings"] == theirs["NetworkSettings"]


def test_an_exited_container() -> None:
    ended = replace(MINIMAL, state=Exited(ended=Ended(started_at=NOW, finished_at=NOW)), ever_started=True)
    assert differences(shown(ended), recorded("container-inspect-minimal-exited")) == []


def test_a_running_container() -> None:
    theirs = recorded("container-inspect-running")
    # nothing is published yet
    del theirs["NetworkSettings"]["Ports"]["80/tcp"], theirs["Config"]["ExposedPorts"]["80/tcp"]
    assert differences(shown(RUNNING), theirs) == []
    assert shown(RUNNING)["HostConfig"]["Mounts"] == theirs["HostConfig"]["Mounts"]
    assert shown(RUNNING)["Config"]["Healthcheck"] == theirs["Config"]["Healthcheck"]


def test_what_was_sent_empty_stays_empty() -> None:
    host = replace(MINIMAL.host, devices=[], ulimits=[], init=False)
    config = replace(MINIMAL.config, stop_timeout=0)
    found = shown(replace(MINIMAL, host=host, config=config))
    assert found["HostConfig"]["Devices"] == []
    assert found["HostConfig"]["Ulimits"] == []
    assert found["HostConfig"]["Init"] is False
    assert found["Config"]["StopTimeout"] == 0


def test_sizes() -> None:
    found = shown(MINIMAL, sizes=(5, 7))
    assert (found["SizeRw"], found["SizeRootFs"]) == (5, 7)
    assert shown(MINIMAL, sizes=(0, 7))["SizeRw"] == 0
    assert "SizeRw" not in shown(MINIMAL)


def test_the_list() -> None:
    ours = [
        show_entry(RUNNING, NOW, "rec-bb:1", (0, 7)),
        show_entry(replace(MINIMAL, state=Exited(ended=Ended())), NOW, "rec-bb:1", (0, 7)),
    ]
    theirs = recorded("container-list")
    # Docker's order of mounts changes from call to call
    theirs[0]["Mounts"].sort(key=lambda mount: ("volume", "bind", "tmpfs").index(mount["Type"]))
    assert differences(json.loads(wire.encode(ours)), theirs) == []
    assert ours[0]["Ports"] == [theirs[0]["Ports"][0]]
    assert ours[0]["Status"] == theirs[0]["Status"]


def test_execs() -> None:
    config = ExecConfig(cmd=["true"], attach_stdout=True)
    created = ExecRecord(id="3" * 64, container_id="1" * 64, config=config)
    exited = ExecRecord(id="3" * 64, container_id="1" * 64, config=config, exit_code=0)
    assert differences(json.loads(wire.encode(show_exec(created))), recorded("exec-inspect-created")) == []
    assert differences(json.loads(wire.encode(show_exec(exited))), recorded("exec-inspect-exited")) == []


ENDED = Ended(exit_code=137, finished_at=NOW - 420 * SECOND)


@pytest.mark.parametrize(
    ("state", "health", "text"),
    [
        (Created(), None, "Created"),
        (Running(pid=1, started_at=NOW), None, "Up Less than a second"),
        (Running(pid=1, started_at=NOW - SECOND), Health(), "Up 1 second (health: starting)"),
        (Running(pid=1, started_at=NOW - 3 * SECOND), Health(status="healthy"), "Up 3 seconds (healthy)"),
        (Running(pid=1, started_at=NOW - 125 * SECOND, paused=True), Health(), "Up 2 minutes (Paused)"),
        (Restarting(ended=ENDED, next_start=0), None, "Restarting (137) 7 minutes ago"),
        (Exited(ended=ENDED), None, "Exited (137) 7 minutes ago"),
        (Removing(ended=ENDED), None, "Removal In Progress"),
        (Dead(ended=ENDED), None, "Dead"),
    ],
)
def test_status(state: Any, health: Health | None, text: str) -> None:
    assert status_text(replace(MINIMAL, state=state, health=health), NOW) == text


def test_running_and_restarting_at_once() -> None:
    found = shown(replace(MINIMAL, state=Restarting(ended=ENDED, next_start=0)))["State"]
    assert (found["Status"], found["Running"], found["Restarting"], found["Pid"]) == ("restarting", True, True, 0)
