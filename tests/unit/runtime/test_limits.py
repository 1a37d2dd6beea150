from __future__ import annotations

from dataclasses import fields, replace

import pytest

from estiba.errors import InvalidArgument
from estiba.linux import host
from estiba.oci.runtime_spec import BlockIO, Cpu, Memory, Pids, Resources, ThrottleDevice, WeightDevice
from estiba.runtime import limits_v2
from estiba.runtime.limits import check

HOST = host.detect()
ALL = {field.name: True for field in fields(host.Limits) if field.name not in ("cpus", "mems")}
RATE = ThrottleDevice(major=8, minor=0, rate=1)
EVERYTHING = Resources(
    memory=Memory(limit=1 << 24, swap=1 << 25, reservation=1 << 23, swappiness=10, disable_oom_killer=True),
    cpu=Cpu(shares=2, quota=1000, period=2000, cpus="0", mems="0"),
    pids=Pids(limit=5),
    block_io=BlockIO(
        weight=10,
        weight_device=[WeightDevice(major=8, minor=0, weight=10)],
        throttle_read_bps_device=[RATE],
        throttle_write_bps_device=[RATE],
        throttle_read_iops_device=[RATE],
        throttle_write_iops_device=[RATE],
    ),
)


def machine(**limits: object) -> host.Host:
    return replace(HOST, limits=replace(HOST.limits, **{**ALL, **limits}))


def test_a_machine_that_can_do_everything_warns_of_nothing() -> None:
    assert check(EVERYTHING, machine()) == (EVERYTHING, [])


NO = "Your kernel does not support "


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        ("memory", "memory limit capabilities or the cgroup is not mounted. Limitation discarded."),
        ("swap", "swap limit capabilities or the cgroup is not mounted. Memory limited without swap."),
        ("swappiness", "memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded."),
        ("reservation", "memory soft limit capabilities or the cgroup is not mounted. Limitation discarded."),
        ("oom_kill_disable", "OomKillDisable. OomKillDisable discarded."),
        ("pids", "PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded."),
        ("cpu_shares", "CPU shares or the cgroup is not mounted. Shares discarded."),
        ("cpu_cfs", "CPU CFS scheduler. CPU period/quota discarded."),
        ("cpuset", "cpuset or the cgroup is not mounted. Cpuset discarded."),
        ("blkio_weight", "Block I/O weight or the cgroup is not mounted. Weight discarded."),
        ("blkio_weight_device", "Block I/O weight_device or the cgroup is not mounted. Weight-device discarded."),
    ],
)
def test_each_limit_that_is_missing_is_dropped_with_a_warning(limit: str, text: str) -> None:
    changed, warnings = check(EVERYTHING, machine(**{limit: False}))
    assert NO + text in warnings
    assert changed != EVERYTHING
    again, more = check(changed, machine(**{limit: False}))
    assert NO + text not in more
    assert again == changed


def test_throttles_are_four() -> None:
    changed, warnings = check(EVERYTHING, machine(blkio_throttle=False))
    assert warnings == [
        NO + "BPS Block I/O read limit or the cgroup is not mounted. Block I/O BPS read limit discarded.",
        NO + "BPS Block I/O write limit or the cgroup is not mounted. Block I/O BPS write limit discarded.",
        NO + "IOPS Block read limit or the cgroup is not mounted. Block I/O IOPS read limit discarded.",
        NO + "IOPS Block write limit or the cgroup is not mounted. Block I/O IOPS write limit discarded.",
    ]
    assert changed.block_io
    assert changed.block_io.weight == 10
    assert not changed.block_io.throttle_read_bps_device


def test_no_oom_killer_and_no_limit() -> None:
    wanted = Resources(memory=Memory(disable_oom_killer=True))
    _, warnings = check(wanted, machine())
    assert len(warnings) == 1
    assert warnings[0].startswith("OOM killer is disabled for the container, but no memory limit is set, this can ")


def test_nothing_asked_for_nothing_warned_of() -> None:
    assert check(Resources(), machine(memory=False, pids=False)) == (Resources(), [])


@pytest.mark.parametrize(
    ("shares", "weight"),
    [(0, 1), (2, 1), (10, 4), (256, 35), (512, 59), (1024, 100), (2048, 174), (262144, 10000), (1 << 30, 10000)],
)
def test_weights_for_shares(shares: int, weight: int) -> None:
    assert limits_v2.cpu_weight(shares) == weight


def test_weights_for_block_devices() -> None:
    assert [limits_v2.io_weight(weight) for weight in (10, 500, 1000)] == [1, 4950, 10000]


@pytest.mark.parametrize(
    ("swap", "limit", "result"),
    [(None, 100, None), (0, 100, None), (-1, 100, "max"), (100, 100, "0"), (300, 100, "200"), (None, -1, "max")],
)
def test_swap_without_memory(swap: int | None, limit: int | None, result: str | None) -> None:
    assert limits_v2.swap_max(swap, limit) == result


@pytest.mark.parametrize(("swap", "limit"), [(100, None), (100, 0), (100, -1), (50, 100)])
def test_swap_that_cannot_be_meant(swap: int, limit: int | None) -> None:
    with pytest.raises(InvalidArgument):
        limits_v2.swap_max(swap, limit)


def test_throttles_of_one_device_are_one_line() -> None:
    other = ThrottleDevice(major=9, minor=1, rate=0)
    block = BlockIO(
        throttle_read_bps_device=[ThrottleDevice(major=8, minor=0, rate=5), other], throttle_write_iops_device=[RATE]
    )
    assert limits_v2.throttle_lines(block) == ["8:0 rbps=5 wiops=1", "9:1 rbps=max"]
