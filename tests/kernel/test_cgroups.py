"""Cgroups on the real kernel: whatever version this machine has, and the parts of v2 that the hybrid layout has too."""

from __future__ import annotations

import errno
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import pytest

from estiba.errors import InvalidArgument, SystemFailure
from estiba.linux import bpf, cgroupfs, host
from estiba.oci.runtime_spec import BlockIO, Cpu, DeviceCgroup, Memory, Pids, Resources, ThrottleDevice
from estiba.runtime import devices
from estiba.runtime.cgroups import CgroupDriver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from estiba.runtime.cgroup import Cgroup

HOST = host.detect()
V2 = HOST.cgroups.layout == "v2"
MIB = 1 << 20
DEADLINE = 30.0

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(HOST.cgroups.layout == "none", reason="no cgroup hierarchy is mounted"),
]
only_v1 = pytest.mark.skipif(V2, reason="this machine has cgroup v2")
only_v2 = pytest.mark.skipif(not V2, reason="this machine has cgroup v1 (tests/machines runs this on v2)")


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def _driver(machine: host.Host) -> Iterator[CgroupDriver]:
    before = _descriptors()
    base = f"/estiba-test-{os.getpid()}/{time.monotonic_ns():x}"
    with CgroupDriver(machine, base) as driver:
        yield driver
        driver.remove_stray(base, set())
        driver.remove_base()
    assert _descriptors() == before, "descriptors leaked"
    hierarchies = [*machine.cgroups.v1, *([machine.cgroups.unified] if machine.cgroups.unified else [])]
    assert not [h.mount for h in hierarchies if os.path.exists(h.mount + os.path.dirname(base))]


@pytest.fixture
def driver() -> Iterator[CgroupDriver]:
    """The driver for this machine."""
    yield from _driver(HOST)


@pytest.fixture
def unified() -> Iterator[CgroupDriver]:
    """The v2 driver, also on a hybrid machine: without controllers, but with kill, freeze, and the device filter."""
    if HOST.cgroups.unified is None:
        pytest.skip("no v2 hierarchy is mounted")
    yield from _driver(replace(HOST, cgroups=cgroupfs.Cgroups("v2", (), HOST.cgroups.unified)))


class Member:
    """A process in a cgroup that runs a command when told to."""

    def __init__(self, cgroup: Cgroup, *command: str) -> None:
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", 'read go; exec "$@"', "sh", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.pid = self.process.pid
        for fd in cgroup.join_fds():
            os.write(fd, str(self.pid).encode())
            os.close(fd)

    def go(self) -> Member:
        assert self.process.stdin
        self.process.stdin.write(b"go\n")
        self.process.stdin.flush()
        return self

    def result(self) -> tuple[int, str]:
        output, _ = self.process.communicate(timeout=DEADLINE)
        return self.process.returncode, output.decode()

    def __enter__(self) -> Member:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate(timeout=DEADLINE)


def create(driver: CgroupDriver, name: str = "c", **resources: object) -> Cgroup:
    return driver.create(f"{driver.base}/{name}", Resources(**resources))  # type: ignore[arg-type]


def text(cgroup: Cgroup, v1: tuple[str, str], v2: str = "") -> str:
    """A control file's text, by controller and name on v1 and by name on v2."""
    if V2:
        assert HOST.cgroups.unified
        return Path(f"{HOST.cgroups.unified.mount}{cgroup.path}/{v2}").read_text().strip()
    hierarchy = HOST.cgroups.hierarchy(v1[0])
    assert hierarchy
    return Path(f"{hierarchy.mount}{cgroup.path}/{v1[1]}").read_text().strip()


def test_a_process_joins_every_hierarchy(driver: CgroupDriver) -> None:
    cgroup = create(driver)
    with Member(cgroup, "true") as member:
        places = Path(f"/proc/{member.pid}/cgroup").read_text().splitlines()
        used = [line for line in places if not (line.startswith("0::") and not V2)]
        assert all(line.endswith(f":{cgroup.path}") for line in used)
        assert len(used) == (1 if V2 else len(HOST.cgroups.v1))
        assert cgroup.processes() == [member.pid]
        member.go().result()
    assert cgroup.processes() == []
    cgroup.remove()
    assert not cgroup.exists()
    cgroup.remove()


def test_a_process_joins_by_writing_zero_itself(driver: CgroupDriver) -> None:
    cgroup = create(driver)
    fds = cgroup.join_fds()
    code = "import os,sys\nfor fd in sys.argv[1:]: os.write(int(fd), b'0')\nprint(open('/proc/self/cgroup').read())"
    result = subprocess.run(
        [sys.executable, "-c", code, *map(str, fds)], pass_fds=fds, capture_output=True, text=True, check=True
    )
    for fd in fds:
        os.close(fd)
    assert result.stdout.count(cgroup.path) == len(fds)


@only_v2
def test_a_process_is_born_in_the_cgroup(driver: CgroupDriver) -> None:
    directory = create(driver).directory_fd()
    assert directory is not None
    assert os.path.isdir(f"/proc/self/fd/{directory}")
    os.close(directory)


@only_v1
def test_v1_has_no_directory_to_be_born_in(driver: CgroupDriver) -> None:
    assert create(driver).directory_fd() is None


def test_limits_are_written(driver: CgroupDriver) -> None:
    cgroup = create(
        driver,
        memory=Memory(limit=64 * MIB, swap=128 * MIB, reservation=32 * MIB),
        cpu=Cpu(shares=512, quota=50000, period=100000, cpus="0", mems="0"),
        pids=Pids(limit=100),
    )
    assert text(cgroup, ("memory", "memory.limit_in_bytes"), "memory.max") == str(64 * MIB)
    if HOST.limits.swap:
        swap = text(cgroup, ("memory", "memory.memsw.limit_in_bytes"), "memory.swap.max")
        assert swap == str((64 if V2 else 128) * MIB)
    assert text(cgroup, ("memory", "memory.soft_limit_in_bytes"), "memory.low") == str(32 * MIB)
    assert text(cgroup, ("cpu", "cpu.shares"), "cpu.weight") == ("59" if V2 else "512")
    assert text(cgroup, ("cpu", "cpu.cfs_quota_us"), "cpu.max") == ("50000 100000" if V2 else "50000")
    assert text(cgroup, ("cpuset", "cpuset.cpus"), "cpuset.cpus") == "0"
    assert text(cgroup, ("cpuset", "cpuset.mems"), "cpuset.mems") == "0"
    assert text(cgroup, ("pids", "pids.max"), "pids.max") == "100"


def test_limits_change_while_it_lives_up_and_down(driver: CgroupDriver) -> None:
    cgroup = create(driver, memory=Memory(limit=64 * MIB, swap=128 * MIB))
    with Member(cgroup, "sleep", "600"):
        for limit, swap in ((256, 512), (32, 64), (32, -1), (600, 700), (16, 16)):
            total = swap if swap < 0 else swap * MIB
            cgroup.update(Resources(memory=Memory(limit=limit * MIB, swap=total)))
            assert text(cgroup, ("memory", "memory.limit_in_bytes"), "memory.max") == str(limit * MIB)
        cgroup.update(Resources(memory=Memory(limit=-1)))
        unlimited = text(cgroup, ("memory", "memory.limit_in_bytes"), "memory.max")
        assert unlimited == ("max" if V2 else "9223372036854771712")
        for limit in (5, -1):
            cgroup.update(Resources(pids=Pids(limit=limit)))
            assert text(cgroup, ("pids", "pids.max"), "pids.max") == ("5" if limit == 5 else "max")
        cgroup.update(Resources(cpu=Cpu(quota=200000, period=1000000)))
        cgroup.update(Resources(cpu=Cpu(quota=5000, period=5000)))
        cgroup.update(Resources(cpu=Cpu(quota=-1)))
        quota = text(cgroup, ("cpu", "cpu.cfs_quota_us"), "cpu.max")
        assert quota == ("max 5000" if V2 else "-1")
        cgroup.update(Resources(cpu=Cpu(period=20000)))
        assert text(cgroup, ("cpu", "cpu.cfs_period_us"), "cpu.max").endswith("20000")
        cgroup.update(Resources(cpu=Cpu(cpus="0")))
        assert text(cgroup, ("cpuset", "cpuset.cpus"), "cpuset.cpus") == "0"


def test_a_limit_that_the_kernel_refuses_is_named_and_leaves_nothing(driver: CgroupDriver) -> None:
    with pytest.raises(SystemFailure, match=r"cannot set cpuset\.cpus of .*/c to 999: "):
        create(driver, cpu=Cpu(cpus="999"))
    assert not driver.open(f"{driver.base}/c").exists()


@only_v1
def test_shares_below_the_minimum_are_refused(driver: CgroupDriver) -> None:
    with pytest.raises(SystemFailure, match="the minimum allowed cpu-shares is 2"):
        create(driver, cpu=Cpu(shares=1))


@only_v1
def test_v1_words(driver: CgroupDriver) -> None:
    cgroup = create(driver, memory=Memory(limit=64 * MIB, swappiness=10, disable_oom_killer=True))
    assert text(cgroup, ("memory", "memory.swappiness")) == "10"
    assert "oom_kill_disable 1" in text(cgroup, ("memory", "memory.oom_control"))
    cgroup.update(Resources(memory=Memory(disable_oom_killer=False)))
    assert "oom_kill_disable 0" in text(cgroup, ("memory", "memory.oom_control"))
    with pytest.raises(InvalidArgument, match="for v2 only"):
        cgroup.update(Resources(unified={"memory.high": "1"}))


@only_v2
def test_v2_words(driver: CgroupDriver) -> None:
    cgroup = create(driver, unified={"memory.high": str(32 * MIB), "pids.max": "7"})
    assert text(cgroup, ("", ""), "memory.high") == str(32 * MIB)
    assert text(cgroup, ("", ""), "pids.max") == "7"
    for bad in ("cgroup.procs", "../x.y", "memory"):
        with pytest.raises(InvalidArgument, match="invalid unified resource"):
            cgroup.update(Resources(unified={bad: "1"}))


def _whole_disk() -> tuple[int, int] | None:
    for path in sorted(Path("/sys/block").glob("*")):
        if (path / "device").exists() and int((path / "size").read_text()):
            major, minor = (path / "dev").read_text().strip().split(":")
            return int(major), int(minor)
    return None


def test_block_throttles(driver: CgroupDriver) -> None:
    disk = _whole_disk()
    if disk is None:
        pytest.skip("no block device")
    major, minor = disk
    rate = ThrottleDevice(major=major, minor=minor, rate=MIB)
    operations = ThrottleDevice(major=major, minor=minor, rate=100)
    cgroup = create(
        driver,
        block_io=BlockIO(throttle_read_bps_device=[rate], throttle_write_iops_device=[operations]),
    )
    if V2:
        assert text(cgroup, ("", ""), "io.max") == f"{major}:{minor} rbps={MIB} wbps=max riops=max wiops=100"
    else:
        assert text(cgroup, ("blkio", "blkio.throttle.read_bps_device")) == f"{major}:{minor} {MIB}"
        assert text(cgroup, ("blkio", "blkio.throttle.write_iops_device")) == f"{major}:{minor} 100"


def test_the_process_limit_holds(driver: CgroupDriver) -> None:
    cgroup = create(driver, pids=Pids(limit=3))
    with Member(cgroup, "sh", "-c", "for i in 1 2 3; do sleep 600 >/dev/null 2>&1 & done; echo all") as member:
        _, output = member.go().result()
        assert "all" not in output
        assert "ork" in output  # "Cannot fork", "can't fork"


def test_memory_runs_out(driver: CgroupDriver) -> None:
    cgroup = create(driver, memory=Memory(limit=16 * MIB, swap=16 * MIB))
    control, watch = cgroup.oom_fd(), cgroup.oom_watch()
    assert watch is not None
    try:
        assert b"oom_kill 0" in os.pread(control, 4096, 0)
        poller = select.poll()
        poller.register(watch, select.POLLPRI | select.POLLIN if not V2 else select.POLLPRI)
        with Member(cgroup, "dd", "if=/dev/zero", "of=/dev/null", "bs=200M", "count=1") as member:
            code, _ = member.go().result()
        assert code == -signal.SIGKILL
        assert poller.poll(DEADLINE * 1000), "the watcher was not woken"
        assert cgroup.oom_kills() == 1
        assert b"oom_kill 1" in os.pread(control, 4096, 0)
    finally:
        os.close(control)
        os.close(watch)


def test_statistics_of_a_working_container(driver: CgroupDriver) -> None:
    cgroup = create(driver, memory=Memory(limit=128 * MIB), pids=Pids(limit=50))
    script = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo done; read wait"
    with Member(cgroup, "sh", "-c", script) as member:
        member.go()
        assert member.process.stdout
        assert member.process.stdout.readline() == b"done\n"
        found = cgroup.statistics()
    assert found.version == (2 if V2 else 1)
    assert found.processes == 1
    assert found.process_limit == 50
    assert found.cpu.total > 10_000_000
    assert (found.cpu.percpu is None) == V2
    if found.cpu.percpu is not None:
        assert abs(sum(found.cpu.percpu) - found.cpu.total) < 1_000_000_000
    assert 0 < found.memory.usage < 128 * MIB
    assert found.memory.limit == 128 * MIB
    assert found.memory.details["pgfault"] >= 0, "counted per processor and summed up every other second"
    assert found.system_cpu > 0
    assert found.online_cpus == os.cpu_count()


def test_statistics_without_limits(driver: CgroupDriver) -> None:
    found = create(driver).statistics()
    assert found.memory.limit == HOST.memory
    assert found.process_limit is None
    with pytest.raises(SystemFailure, match="is gone"):
        driver.open(f"{driver.base}/nobody").statistics()


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _wait_still(cgroup: Cgroup, pid: int) -> None:
    """Until nothing moves for 50 ms: an emulated processor may account for the last instructions a little later."""
    deadline = time.monotonic() + DEADLINE
    while True:
        before = _ticks(pid), sorted(cgroup.processes())
        time.sleep(0.05)
        if (_ticks(pid), sorted(cgroup.processes())) == before:
            return
        assert time.monotonic() < deadline


@pytest.mark.parametrize("which", ["driver", "unified"])
def test_frozen_processes_stand_still(which: str, request: pytest.FixtureRequest) -> None:
    driver: CgroupDriver = request.getfixturevalue(which)
    cgroup = create(driver)
    with Member(cgroup, "sh", "-c", "while :; do (:) ; done") as member:
        member.go()
        for _ in range(5):
            cgroup.freeze()
            assert cgroup.is_frozen()
            _wait_still(cgroup, member.pid)
            cgroup.thaw()
            assert not cgroup.is_frozen()
        cgroup.kill()
        member.process.wait(timeout=DEADLINE)


@pytest.mark.parametrize("which", ["driver", "unified"])
@pytest.mark.parametrize("frozen", [False, True])
def test_everybody_is_killed(which: str, frozen: bool, request: pytest.FixtureRequest) -> None:
    driver: CgroupDriver = request.getfixturevalue(which)
    cgroup = create(driver)
    bomb = "for i in 1 2 3 4 5 6 7 8; do (trap '' TERM; while :; do sleep 0.01; done) & done; wait"
    with Member(cgroup, "setsid", "-w", "sh", "-c", bomb) as member:
        member.go()
        deadline = time.monotonic() + DEADLINE
        while len(cgroup.processes()) < 9:
            assert time.monotonic() < deadline
        if frozen:
            cgroup.freeze()
        cgroup.kill()
        member.process.wait(timeout=DEADLINE)
        cgroup.remove()
    assert not cgroup.exists()
    cgroup.kill()


def test_a_cgroup_with_processes_is_not_removed(driver: CgroupDriver) -> None:
    cgroup = create(driver)
    with Member(cgroup, "sleep", "600"):
        with pytest.raises(SystemFailure, match=r"cannot remove the cgroup .*: device or resource busy"):
            cgroup.remove(0.05)
    cgroup.remove()


def test_cgroups_made_inside_are_removed_and_their_processes_listed(driver: CgroupDriver) -> None:
    cgroup = create(driver)
    with Member(cgroup, "sleep", "600") as member:
        mounts = [mount.host for mount in cgroup.mounts()]
        for mount in mounts:
            os.makedirs(f"{mount}/inner/most")
            Path(f"{mount}/inner/most/cgroup.clone_children").exists()
        moved = [m for m in mounts if "/cpuset/" not in m]
        for mount in moved:
            Path(f"{mount}/inner/most/cgroup.procs").write_text(str(member.pid))
        assert cgroup.processes() == [member.pid]
        cgroup.kill()
        member.process.wait(timeout=DEADLINE)
    cgroup.remove()
    assert not any(os.path.exists(mount) for mount in mounts)


def test_a_left_over_of_the_same_name_is_replaced(driver: CgroupDriver) -> None:
    old = create(driver, pids=Pids(limit=5))
    with Member(old, "sleep", "600") as member:
        new = create(driver)
        assert member.process.wait(timeout=DEADLINE) == -signal.SIGKILL
    assert text(new, ("pids", "pids.max"), "pids.max") == "max"
    assert new.processes() == []


def test_strays_are_removed(driver: CgroupDriver) -> None:
    kept = create(driver, "kept")
    create(driver, "lost")
    shims = driver.create(f"{driver.base}/shims", None)
    with Member(create(driver, "busy"), "sleep", "600") as member:
        assert driver.remove_stray(driver.base, {"kept"}) == ["busy", "lost"]
        assert member.process.wait(timeout=DEADLINE) == -signal.SIGKILL
    assert kept.exists()
    assert shims.exists()


def test_another_parent(driver: CgroupDriver) -> None:
    parent = f"{driver.base}/deep/er"
    cgroup = driver.create(f"{parent}/c", Resources(pids=Pids(limit=9)))
    assert text(cgroup, ("pids", "pids.max"), "pids.max") == "9"
    with Member(cgroup, "true") as member:
        assert member.go().result()[0] == 0


def test_a_parent_that_was_removed_is_made_again(driver: CgroupDriver) -> None:
    create(driver).remove()
    driver.open(driver.base).remove()
    assert create(driver).exists()


@only_v2
def test_inside_a_container_the_root_is_cleared(driver: CgroupDriver) -> None:
    outer = create(driver, "outer")
    assert HOST.cgroups.unified
    below = replace(HOST.cgroups.unified, mount=f"{HOST.cgroups.unified.mount}{outer.path}")
    with Member(outer, "sleep", "600") as member:
        with CgroupDriver(replace(HOST, cgroups=cgroupfs.Cgroups("v2", (), below)), "/estiba/x") as inner:
            cgroup = create(inner, pids=Pids(limit=5))
            assert Path(f"{below.mount}{cgroup.path}/pids.max").read_text() == "5\n"
        assert Path(f"/proc/{member.pid}/cgroup").read_text() == f"0::{outer.path}/init\n"
    outer.remove()


def test_shims_leave_the_engines_cgroups(driver: CgroupDriver) -> None:
    fds = driver.shims_join_fds()
    hierarchies = [HOST.cgroups.unified] if V2 else HOST.cgroups.v1
    assert len(fds) == sum(hierarchy.own != "/" for hierarchy in hierarchies if hierarchy)
    with subprocess.Popen(["sleep", "600"]) as process:
        for fd in fds:
            os.write(fd, str(process.pid).encode())
            os.close(fd)
        places = Path(f"/proc/{process.pid}/cgroup").read_text()
        assert places.count(f"{driver.base}/shims") == len(fds)
        process.kill()
    driver.open(f"{driver.base}/shims").remove()


def test_mounts_show_the_containers_own_part(driver: CgroupDriver) -> None:
    cgroup = create(driver)
    mounts = cgroup.mounts()
    assert all(mount.host.endswith(cgroup.path) and os.path.isdir(mount.host) for mount in mounts)
    if V2:
        assert [mount.name for mount in mounts] == [""]
    else:
        assert {mount.name for mount in mounts} >= {"memory", "devices", "pids"}


# Devices: (path, flags, whether the default rules allow it)
OPENED = [
    ("/dev/null", os.O_RDWR, True),
    ("/dev/zero", os.O_RDONLY, True),
    ("/dev/urandom", os.O_RDONLY, True),
    ("/dev/kmsg", os.O_RDONLY, False),
    ("/dev/mem", os.O_RDONLY, False),
]
OPENER = """
import os, sys
for path, flags in zip(sys.argv[1::2], sys.argv[2::2]):
    try:
        os.close(os.open(path, int(flags)))
        print(path, "yes")
    except OSError as error:
        print(path, error.errno)
"""


def _open_inside(cgroup: Cgroup, opened: list[tuple[str, int]]) -> dict[str, str]:
    arguments = [part for path, flags in opened for part in (path, str(flags))]
    with Member(cgroup, sys.executable, "-c", OPENER, *arguments) as member:
        code, output = member.go().result()
    assert code == 0, output
    return dict(line.split() for line in output.splitlines())


@pytest.mark.parametrize("which", ["driver", "unified"])
def test_default_device_rules(which: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    driver: CgroupDriver = request.getfixturevalue(which)
    cgroup = create(driver, devices=list(devices.DEFAULT_RULES))
    there = [(path, flags, allowed) for path, flags, allowed in OPENED if os.path.exists(path)]
    found = _open_inside(cgroup, [(path, flags) for path, flags, _ in there])
    for path, _, allowed in there:
        assert found[path] == ("yes" if allowed else str(errno.EPERM)), path
    node = tmp_path / "node"
    with Member(cgroup, "sh", "-c", f"mknod {node} b 7 77 && (cat {node} || true)") as member:
        code, output = member.go().result()
    assert code == 0, "any node may be made"
    assert "not permitted" in output, "but not opened"


@pytest.mark.parametrize("which", ["driver", "unified"])
def test_more_devices_and_fewer_rights(which: str, request: pytest.FixtureRequest) -> None:
    driver: CgroupDriver = request.getfixturevalue(which)
    read_only = [*devices.DEFAULT_RULES[:3], DeviceCgroup(allow=True, type="c", major=1, minor=3, access="r")]
    cgroup = create(driver, devices=read_only)
    assert _open_inside(cgroup, [("/dev/null", os.O_RDONLY)]) == {"/dev/null": "yes"}
    assert _open_inside(cgroup, [("/dev/null", os.O_RDWR)]) == {"/dev/null": str(errno.EPERM)}
    everything = create(driver, "all", devices=[devices.DENY_ALL, devices.ALLOW_ALL])
    assert _open_inside(everything, [("/dev/null", os.O_RDWR)]) == {"/dev/null": "yes"}
    but = create(
        driver, "but", devices=[devices.ALLOW_ALL, DeviceCgroup(allow=False, type="c", major=1, minor=5, access="w")]
    )
    assert _open_inside(but, [("/dev/zero", os.O_RDONLY)]) == {"/dev/zero": "yes"}
    assert _open_inside(but, [("/dev/zero", os.O_RDWR)]) == {"/dev/zero": str(errno.EPERM)}


def test_a_device_filter_is_replaced(unified: CgroupDriver) -> None:
    cgroup = create(unified, devices=list(devices.DEFAULT_RULES))
    directory = cgroup.directory_fd()
    assert directory is not None
    try:
        assert bpf.attached_device_programs(directory) == 1
        zero = [bpf.DeviceMatch("c", 1, 5, 7)]
        bpf.attach_device_program(directory, bpf.device_program(False, zero))
        assert bpf.attached_device_programs(directory) == 1
        # /dev/null is no longer allowed, so the member's own output cannot be told by it
        assert _open_inside(cgroup, [("/dev/zero", 0), ("/dev/null", 0)]) == {"/dev/zero": "yes", "/dev/null": "1"}
    finally:
        os.close(directory)


def test_the_hot_path_is_fast(driver: CgroupDriver) -> None:
    resources = Resources(devices=list(devices.DEFAULT_RULES), pids=Pids(limit=100))
    create(driver, "warm").remove()
    times = []
    for number in range(100):
        start = time.perf_counter()
        cgroup = driver.create(f"{driver.base}/{number}", resources)
        fds = cgroup.join_fds()
        cgroup.remove()
        times.append(time.perf_counter() - start)
        for fd in fds:
            os.close(fd)
    assert median(times) < (0.05 if HOST.virtualization and V2 else 0.003), "0.5 ms on an idle machine"
