"""Limits that cannot be meant, in Docker's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from estiba.errors import InvalidArgument

if TYPE_CHECKING:
    from estiba.engine.config import HostConfig
    from estiba.linux.host import Host

_MEBIBYTE: Final = 1 << 20
_LEAST_MEMORY: Final = 6 * _MEBIBYTE


def check_resources(host: HostConfig, machine: Host) -> None:
    """Raises InvalidArgument for the first limit that is out of range or contradicts another."""
    _check_memory(host)
    _check_cpu(host, machine)
    _check_cpuset(host, machine)
    _check_others(host)


def _check_memory(host: HostConfig) -> None:
    memory, swap = host.memory, host.memory_swap
    if 0 != memory < _LEAST_MEMORY:
        raise InvalidArgument("Minimum memory limit allowed is 6MB")
    if memory > 0 and swap > 0 and swap < memory:
        raise InvalidArgument("Minimum memoryswap limit should be larger than memory limit, see usage")
    if memory == 0 and swap > 0:
        raise InvalidArgument("You should always set the Memory limit when using Memoryswap limit, see usage")
    swappiness = host.memory_swappiness
    if swappiness is not None and not -1 <= swappiness <= 100:
        raise InvalidArgument(f"Invalid value: {swappiness}, valid memory swappiness range is 0-100")
    if 0 != host.memory_reservation < _LEAST_MEMORY:
        raise InvalidArgument("Minimum memory reservation allowed is 6MB")
    if 0 < memory < host.memory_reservation:
        raise InvalidArgument("Minimum memory limit can not be less than memory reservation limit, see usage")


def _check_cpu(host: HostConfig, machine: Host) -> None:
    if host.nano_cpus:
        if host.cpu_period or host.cpu_quota:
            other = "Period" if host.cpu_period else "Quota"
            raise InvalidArgument(f"Conflicting options: Nano CPUs and CPU {other} cannot both be set")
        if not 0 <= host.nano_cpus <= machine.cpus * 1_000_000_000:
            raise InvalidArgument(
                f"range of CPUs is from 0.01 to {machine.cpus}.00, as there are only {machine.cpus} CPUs available"
            )
    if host.cpu_shares < 0:
        raise InvalidArgument(f"invalid CPU shares ({host.cpu_shares}): value must be a positive integer")
    if host.cpu_period and not 1_000 <= host.cpu_period <= 1_000_000:
        raise InvalidArgument("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)")
    if 0 < host.cpu_quota < 1_000:
        raise InvalidArgument("CPU cfs quota can not be less than 1ms (i.e. 1000)")
    if host.cpu_realtime_runtime > host.cpu_realtime_period > 0:
        raise InvalidArgument("cpu real-time runtime cannot be higher than cpu real-time period")


def _check_cpuset(host: HostConfig, machine: Host) -> None:
    for asked, available, kind, what in (
        (host.cpuset_cpus, machine.limits.cpus, "cpus", "CPUs"),
        (host.cpuset_mems, machine.limits.mems, "mems", "memory nodes"),
    ):
        if not asked:
            continue
        wanted = parse_cpuset(asked)
        if wanted is None:
            raise InvalidArgument(f"Invalid value {asked} for cpuset {kind}: invalid format: {asked}")
        if available and not wanted <= (parse_cpuset(available) or set()):
            raise InvalidArgument(f"Requested {what} are not available - requested {asked}, available: {available}")


def parse_cpuset(text: str) -> set[int] | None:
    """The numbers of a list like 0-2,4; None for what is no list."""
    numbers: set[int] = set()
    for part in text.strip().split(","):
        first, dash, last = part.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            return None
        low, high = int(first), int(last or first)
        if not low <= high < 8192:
            return None
        numbers.update(range(low, high + 1))
    return numbers


def _check_others(host: HostConfig) -> None:
    if host.shm_size < 0:
        raise InvalidArgument("SHM size can not be less than 0")
    if not -1000 <= host.oom_score_adj <= 1000:
        raise InvalidArgument(f"Invalid value {host.oom_score_adj}, range for oom score adj is [-1000, 1000]")
    if host.blkio_weight and not 10 <= host.blkio_weight <= 1000:
        raise InvalidArgument("Range of blkio weight is from 10 to 1000")
