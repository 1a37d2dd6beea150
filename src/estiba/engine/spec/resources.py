"""Limits of a host configuration as the OCI specification's resources."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from estiba.errors import SystemFailure
from estiba.oci.runtime_spec import BlockIO, Cpu, Memory, Pids, Resources, WeightDevice
from estiba.oci.runtime_spec import ThrottleDevice as SpecThrottle
from estiba.runtime.limits import check

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from estiba.engine.config import HostConfig, ThrottleDevice
    from estiba.linux.host import Host

_PERIOD: Final = 100_000


def build_resources(host: HostConfig, machine: Host) -> Resources:
    """Everything but devices; what this machine cannot limit is left out. Raises SystemFailure for an absent device."""
    return check(_resources(host, _device), machine)[0]


def limit_warnings(host: HostConfig, machine: Host) -> list[str]:
    """Docker's sentences for what this machine cannot limit."""
    return check(_resources(host, lambda _: (0, 0)), machine)[1]


def _resources(host: HostConfig, device: Callable[[str], tuple[int, int]]) -> Resources:
    return Resources(memory=_memory(host), cpu=_cpu(host), pids=_pids(host), block_io=_block(host, device))


def _memory(host: HostConfig) -> Memory | None:
    limited = host.memory > 0
    memory = Memory(
        limit=host.memory if limited else None,
        reservation=host.memory_reservation if host.memory_reservation > 0 else None,
        swap=max(host.memory_swap, -1) or None if limited else None,
        kernel_tcp=host.kernel_memory_tcp or None,
        swappiness=host.memory_swappiness,
        disable_oom_killer=host.oom_kill_disable or None,
    )
    return None if memory == Memory() else memory


def _cpu(host: HostConfig) -> Cpu | None:
    quota, period = host.cpu_quota or None, host.cpu_period or None
    if host.nano_cpus:
        quota, period = host.nano_cpus * _PERIOD // 1_000_000_000, _PERIOD
    cpu = Cpu(
        shares=host.cpu_shares or None,
        quota=quota,
        period=period,
        realtime_runtime=host.cpu_realtime_runtime or None,
        realtime_period=host.cpu_realtime_period or None,
        cpus=host.cpuset_cpus or None,
        mems=host.cpuset_mems or None,
    )
    return None if cpu == Cpu() else cpu


def _pids(host: HostConfig) -> Pids | None:
    if not host.pids_limit:
        return None
    return Pids(limit=max(host.pids_limit, -1))


def _block(host: HostConfig, device: Callable[[str], tuple[int, int]]) -> BlockIO | None:
    def throttles(limits: Sequence[ThrottleDevice] | None) -> list[SpecThrottle]:
        numbers = [(device(limit.path), limit.rate) for limit in limits or ()]
        return [SpecThrottle(major=major, minor=minor, rate=rate) for (major, minor), rate in numbers]

    weights = [(device(limit.path), limit.weight) for limit in host.blkio_weight_device or ()]
    block = BlockIO(
        weight=host.blkio_weight or None,
        weight_device=[WeightDevice(major=major, minor=minor, weight=weight) for (major, minor), weight in weights],
        throttle_read_bps_device=throttles(host.blkio_device_read_bps),
        throttle_write_bps_device=throttles(host.blkio_device_write_bps),
        throttle_read_iops_device=throttles(host.blkio_device_read_iops),
        throttle_write_iops_device=throttles(host.blkio_device_write_iops),
    )
    return None if block == BlockIO() else block


def _device(path: str) -> tuple[int, int]:
    try:
        number = os.stat(path).st_rdev
    except OSError as error:
        raise SystemFailure(f"stat {path}: {(error.strerror or '').lower()}") from None
    return os.major(number), os.minor(number)
