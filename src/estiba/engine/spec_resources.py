"""Limits of a host configuration as the OCI specification's resources."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from estiba.errors import InvalidArgument
from estiba.oci.runtime_spec import BlockIO, Cpu, Memory, Pids, Resources, WeightDevice
from estiba.oci.runtime_spec import ThrottleDevice as SpecThrottle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from estiba.engine.config import HostConfig, ThrottleDevice
    from estiba.linux.host import Host

_PERIOD: Final = 100_000


def build_resources(host: HostConfig, machine: Host) -> Resources:
    """Everything but devices. Raises InvalidArgument for a device path that is none."""
    del machine
    return Resources(memory=_memory(host), cpu=_cpu(host), pids=_pids(host), block_io=_block(host))


def _memory(host: HostConfig) -> Memory | None:
    memory = Memory(
        limit=host.memory or None,
        reservation=host.memory_reservation or None,
        swap=host.memory_swap or None,
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
    return Pids(limit=host.pids_limit) if host.pids_limit and host.pids_limit > 0 else None


def _block(host: HostConfig) -> BlockIO | None:
    block = BlockIO(
        weight=host.blkio_weight or None,
        weight_device=[
            WeightDevice(major=os.major(number), minor=os.minor(number), weight=device.weight)
            for device in host.blkio_weight_device or []
            for number in [_device(device.path)]
        ],
        throttle_read_bps_device=_throttles(host.blkio_device_read_bps),
        throttle_write_bps_device=_throttles(host.blkio_device_write_bps),
        throttle_read_iops_device=_throttles(host.blkio_device_read_iops),
        throttle_write_iops_device=_throttles(host.blkio_device_write_iops),
    )
    return None if block == BlockIO() else block


def _throttles(devices: Sequence[ThrottleDevice] | None) -> list[SpecThrottle]:
    found = []
    for device in devices or []:
        number = _device(device.path)
        found.append(SpecThrottle(major=os.major(number), minor=os.minor(number), rate=device.rate))
    return found


def _device(path: str) -> int:
    try:
        return os.stat(path).st_rdev
    except OSError as error:
        raise InvalidArgument(f"cannot limit the device {path}: {(error.strerror or '').lower()}") from None
