"""Containers with limits, from an image to their end, on this machine's cgroups and kernel, whichever these are."""

from __future__ import annotations

import io
import os
import signal
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from tests.api.client import EngineProcess, frames, read_all, read_exactly
from tests.api.conftest import create, wait_for_end
from tests.support.images import busybox_tar

from estiba.linux import host

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.api.client import Client

V2 = host.detect().cgroups.layout == "v2"
MEGABYTE = 1 << 20
LIMITS: dict[str, Any] = {
    "Memory": 64 * MEGABYTE,
    "MemoryReservation": 32 * MEGABYTE,
    "NanoCpus": 500_000_000,
    "CpuShares": 512,
    "CpusetCpus": "0",
    "PidsLimit": 20,
    "OomScoreAdj": 500,
}
SEEN_V2 = {
    "memory.max": str(64 * MEGABYTE),
    "memory.low": str(32 * MEGABYTE),
    "cpu.max": "50000 100000",
    "cpu.weight": "59",  # of 512 shares, as runc counts since 1.3
    "cpuset.cpus": "0",
    "pids.max": "20",
}
SEEN_V1 = {
    "memory/memory.limit_in_bytes": str(64 * MEGABYTE),
    "memory/memory.soft_limit_in_bytes": str(32 * MEGABYTE),
    "cpu/cpu.cfs_quota_us": "50000",
    "cpu/cpu.shares": "512",
    "cpuset/cpuset.cpus": "0",
    "pids/pids.max": "20",
}
SEEN = SEEN_V2 if V2 else SEEN_V1
MEMORY = "memory.max" if V2 else "memory/memory.limit_in_bytes"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    """One engine for all of these, which are slow to begin with on an emulated machine; no cgroup may stay."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    engine = EngineProcess(tmp_path_factory.mktemp("limited"))
    engine.start()
    try:
        changes = 'CMD ["/bin/sh"]'
        made = engine.client("POST", "/images/create", busybox_tar(), fromSrc="-", repo="bb", changes=changes)
        assert made.status == 200, made.body
        yield engine
        containers = [entry["Id"] for entry in engine.client("GET", "/containers/json", all=1).json]
        engine.clear()
        assert [cgroups_of(container) for container in containers] == [[]] * len(containers)
    finally:
        engine.stop()


def started(client: Client, name: str, *command: str, image: str = "bb", **config: Any) -> str:
    container = create(client, name, *command, Image=image, **config)
    reply = client("POST", f"/containers/{name}/start")
    assert reply.status == 204, reply.message
    return container


def output(client: Client, name: str) -> str:
    """All of it, once the container has ended."""
    wait_for_end(client, name)
    streams = frames(client("GET", f"/containers/{name}/logs", stdout=1, stderr=1).body)
    return b"".join(streams.values()).decode()


def inside(client: Client, name: str, script: str) -> str:
    """What a shell in the running container prints."""
    config = {"AttachStdout": True, "AttachStderr": True, "Cmd": ["sh", "-c", script]}
    process = client("POST", f"/containers/{name}/exec", config).json["Id"]
    head, stream = client.open("POST", f"/exec/{process}/start", {"Detach": False}, upgrade=True)
    assert head.startswith(b"HTTP/1.1 101"), head
    return b"".join(frames(read_all(stream)).values()).decode()


def cgroups_of(container: str) -> list[str]:
    mounts = ["/sys/fs/cgroup"] if V2 else [entry.path for entry in os.scandir("/sys/fs/cgroup") if entry.is_dir()]
    return [path for mount in mounts for path, names, _ in os.walk(mount) if container in names]


def test_limits_from_start_to_end(engine: EngineProcess) -> None:
    client = engine.client
    assert client("GET", "/info").json["CgroupVersion"] == ("2" if V2 else "1")
    container = started(client, "limited", "sleep", "600", HostConfig=LIMITS)
    assert cgroups_of(container)
    script = f"cd /sys/fs/cgroup; cat {' '.join(SEEN)}; cat /proc/1/oom_score_adj"
    assert inside(client, "limited", script).splitlines() == [*SEEN.values(), "500"]
    if V2:
        assert inside(client, "limited", "cat /proc/self/cgroup; echo 1 > /sys/fs/cgroup/pids.max") == (
            "0::/\nsh: can't create /sys/fs/cgroup/pids.max: Read-only file system\n"
        )

    sample = client("GET", "/containers/limited/stats", stream=0).json
    assert sample["memory_stats"]["limit"] == 64 * MEGABYTE
    assert 0 < sample["memory_stats"]["usage"] < 64 * MEGABYTE
    assert sample["pids_stats"] == {"current": 1, "limit": 20}
    assert sample["cpu_stats"]["cpu_usage"]["total_usage"] > 0

    changed = client("POST", "/containers/limited/update", {"Memory": 96 * MEGABYTE, "MemorySwap": -1})
    assert changed.status == 200, changed.message
    assert inside(client, "limited", f"cat /sys/fs/cgroup/{MEMORY}") == f"{96 * MEGABYTE}\n"

    assert "can't fork" in inside(client, "limited", "for n in $(seq 30); do sleep 60 & done")
    assert client("DELETE", "/containers/limited", force=1).status == 204
    assert cgroups_of(container) == []


def test_pause_kill_and_an_engine_that_was_killed(engine: EngineProcess) -> None:
    client = engine.client
    container = started(client, "paused", "sleep", "600")
    assert client("POST", "/containers/paused/pause").status == 204
    refused = client("POST", "/containers/paused/exec", {"Cmd": ["true"]})
    assert (refused.status, client("GET", "/containers/paused/json").json["State"]["Status"]) == (409, "paused")
    engine.stop(signal.SIGKILL)
    engine.start()
    assert client("GET", "/containers/paused/json").json["State"]["Status"] == "paused"
    assert client("POST", "/containers/paused/unpause").status == 204
    assert inside(client, "paused", "echo goes on") == "goes on\n"
    assert client("POST", "/containers/paused/kill").status == 204
    assert wait_for_end(client, "paused") == 137
    assert cgroups_of(container) == []


def test_out_of_memory(engine: EngineProcess) -> None:
    client = engine.client
    _, events = client.open("GET", "/events", filters='{"event":["oom"]}')
    with events:
        limits = {"Memory": 16 * MEGABYTE, "MemorySwap": 16 * MEGABYTE}
        started(client, "hungry", "dd", "if=/dev/zero", "of=/dev/null", "bs=64M", HostConfig=limits)
        assert wait_for_end(client, "hungry") == 137
        state = client("GET", "/containers/hungry/json").json["State"]
        assert (state["OOMKilled"], state["ExitCode"]) == (True, 137)
        assert read_exactly(events, 10)


def test_devices(engine: EngineProcess) -> None:
    """The kernel's log needs a capability, and the cgroup's permission for each way of opening it."""
    allowed = {"CapAdd": ["SYSLOG"]}
    script = "exec 2>&1; mknod /tmp/kmsg c 1 11; true < /tmp/kmsg || head -c 2 /dev/urandom | wc -c"
    started(engine.client, "devices", "sh", "-c", script, HostConfig=allowed)
    assert output(engine.client, "devices") == "sh: can't open /tmp/kmsg: Operation not permitted\n2\n"
    given = {"PathOnHost": "/dev/kmsg", "PathInContainer": "/dev/given", "CgroupPermissions": "r"}
    script = "exec 2>&1; true < /dev/given && echo opened; true > /dev/given"
    started(engine.client, "given", "sh", "-c", script, HostConfig={**allowed, "Devices": [given]})
    assert output(engine.client, "given") == "opened\nsh: can't create /dev/given: Operation not permitted\n"


def test_layers_and_the_machine_s_own(engine: EngineProcess) -> None:
    """Images of several layers, files of containers that do not run, an overlay below an overlay."""
    client = engine.client
    for number in range(3):
        started(client, f"layer{number}", "touch", f"/made{number}", image=f"layers:{number}" if number else "bb")
        wait_for_end(client, f"layer{number}")
        made = client("POST", "/commit", container=f"layer{number}", repo="layers", tag=number + 1)
        assert made.status == 201, made.message
    started(client, "layered", "sh", "-c", "ls /; echo kept > /file", image="layers:3")
    assert {"made0", "made1", "made2"} <= set(output(client, "layered").split())
    archive = client("GET", "/containers/layered/archive", path="/file")
    with tarfile.open(fileobj=io.BytesIO(archive.body)) as members:
        assert members.extractfile("file").read() == b"kept\n"  # type: ignore[union-attr]
    view = {"Mounts": [{"Type": "image", "Source": "layers:3", "Target": "/mnt"}]}
    started(client, "viewing", "sh", "-c", "ls /mnt; touch /mnt/x", HostConfig=view)
    shown = output(client, "viewing")
    assert "made2" in shown
    assert "Read-only file system" in shown
    started(client, "host", "sh", "-c", "touch /usr/made && ls /usr", image="host")
    assert "made" in output(client, "host").split()
    assert not os.path.exists("/usr/made")


@pytest.mark.parametrize("mode", ["private", "host"])
def test_cgroup_namespaces(engine: EngineProcess, mode: str) -> None:
    name = f"spaces-{mode}"
    container = started(engine.client, name, "cat", "/proc/self/cgroup", HostConfig={"CgroupnsMode": mode})
    paths = [line.split(":", 2)[2] for line in output(engine.client, name).splitlines()]
    if mode == "private":
        assert set(paths) <= {"/", "/.."}
    else:
        assert any(path.endswith(container) for path in paths)


def test_shared_memory(engine: EngineProcess) -> None:
    client = engine.client
    started(client, "donor", "sleep", "600", HostConfig={"IpcMode": "shareable"})
    inside(client, "donor", "echo given > /dev/shm/file")
    started(client, "joined", "cat", "/dev/shm/file", HostConfig={"IpcMode": "container:donor"})
    assert output(client, "joined") == "given\n"
