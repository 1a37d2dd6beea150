"""Limits that cannot be meant, in Docker's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from estiba.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable

    from estiba.engine.config import HostConfig
    from estiba.linux.host import Host

_LEAST_MEMORY: Final = 6 << 20
_NANO: Final = 1_000_000_000
_MOST_CPUS: Final = 8192


def check_resources(host: HostConfig, machine: Host) -> list[str]:
    """Raises InvalidArgument for the first limit that is out of range or contradicts another; returns warnings.

    What this machine does not have at all is no matter of this module: `spec_resources.limit_warnings`.
    """
    checks: tuple[Callable[[HostConfig, Host], None], ...] = (
        _check_windows,
        _check_realtime,
        _check_memory,
        _check_cpu,
        _check_cpuset,
        _check_others,
    )
    for check in checks:
        check(host, machine)
    return ["linux does not support CPU percent. Percent discarded."] if host.cpu_percent > 0 else []


def _check_windows(host: HostConfig, _: Host) -> None:
    if host.io_maximum_bandwidth:
        raise InvalidArgument("invalid option: QoS maximum bandwidth configuration is not supported on linux")
    if host.io_maximum_iops:
        raise InvalidArgument("invalid option: QoS maximum IOPs configuration is not supported on linux")
    if host.isolation not in ("", "default"):
        raise InvalidArgument(f"invalid isolation ({host.isolation}): linux only supports 'default'")


def _check_realtime(host: HostConfig, machine: Host) -> None:
    if (host.cpu_realtime_period or host.cpu_realtime_runtime) and not machine.limits.cpu_realtime:
        raise InvalidArgument("kernel does not support CPU real-time scheduler")
    if host.cpu_realtime_runtime > host.cpu_realtime_period > 0:
        raise InvalidArgument("cpu real-time runtime cannot be higher than cpu real-time period")
    if host.cpu_shares < 0:
        raise InvalidArgument(f"invalid CPU shares ({host.cpu_shares}): value must be a positive integer")


def _check_memory(host: HostConfig, _: Host) -> None:
    memory, swap = host.memory, host.memory_swap
    if 0 != memory < _LEAST_MEMORY:
        raise InvalidArgument("Minimum memory limit allowed is 6MB")
    if memory > 0 and 0 < swap < memory:
        raise InvalidArgument("Minimum memoryswap limit should be larger than memory limit, see usage")
    if memory == 0 and swap > 0:
        raise InvalidArgument("You should always set the Memory limit when using Memoryswap limit, see usage")
    swappiness = host.memory_swappiness
    if swappiness is not None and not -1 <= swappiness <= 100:
        raise InvalidArgument(f"Invalid value: {swappiness}, valid memory swappiness range is 0-100")
    if 0 < host.memory_reservation < _LEAST_MEMORY:
        raise InvalidArgument("Minimum memory reservation allowed is 6MB")
    if 0 < memory < host.memory_reservation:
        raise InvalidArgument("Minimum memory limit can not be less than memory reservation limit, see usage")


def _check_cpu(host: HostConfig, machine: Host) -> None:
    nano, period, quota = host.nano_cpus, host.cpu_period, host.cpu_quota
    if nano > 0 and period > 0:
        raise InvalidArgument("Conflicting options: Nano CPUs and CPU Period cannot both be set")
    if nano > 0 and quota > 0:
        raise InvalidArgument("Conflicting options: Nano CPUs and CPU Quota cannot both be set")
    if nano > 0 and not machine.limits.cpu_cfs:
        raise InvalidArgument(
            "NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler or the cgroup is not mounted"
        )
    if not 0 <= nano <= machine.cpus * _NANO:
        raise InvalidArgument(
            f"range of CPUs is from 0.01 to {machine.cpus}.00, as there are only {machine.cpus} CPUs available"
        )
    if period and not 1_000 <= period <= 1_000_000:
        raise InvalidArgument("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")
    if 0 < quota < 1_000:
        raise InvalidArgument("CPU cfs quota can not be less than 1ms (i.e. 1000)")


def _check_cpuset(host: HostConfig, machine: Host) -> None:
    if not machine.limits.cpuset:
        return
    for asked, available, kind, what in (
        (host.cpuset_cpus, machine.limits.cpus, "cpus", "CPUs"),
        (host.cpuset_mems, machine.limits.mems, "mems", "memory nodes"),
    ):
        if not asked:
            continue
        try:
            wanted = parse_cpuset(asked)
        except ValueError as error:
            raise InvalidArgument(f"Invalid value {asked} for cpuset {kind}: {error}") from None
        if not wanted <= parse_cpuset(available or "0"):
            raise InvalidArgument(f"Requested {what} are not available - requested {asked}, available: {available}")


def parse_cpuset(text: str) -> set[int]:
    """The numbers of a list like 0-2,4 (cpuset(7)). Raises ValueError that says what is wrong."""
    numbers: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not part.isascii() or not first.isdecimal() or (dash and not last.isdecimal()):
            raise ValueError(f"invalid format: {text}")
        low, high = int(first), int(last or first)
        if high > _MOST_CPUS:
            raise ValueError(f"value of out range, maximum is {_MOST_CPUS}")
        if low > high:
            raise ValueError(f"invalid format: {text}")
        numbers.update(range(low, high + 1))
    return numbers


def _check_others(host: HostConfig, machine: Host) -> None:
    if host.blkio_weight and machine.limits.blkio_weight and not 10 <= host.blkio_weight <= 1000:
        raise InvalidArgument("Range of blkio weight is from 10 to 1000")
    if host.shm_size < 0:
        raise InvalidArgument("SHM size can not be less than 0")
    if not -1000 <= host.oom_score_adj <= 1000:
        raise InvalidArgument(f"Invalid value {host.oom_score_adj}, range for oom score adj is [-1000, 1000]")
