"""What a container uses: processor time, memory, block I/O, processes, as `docker stats` shows it.

The functions turn the texts of control files into values; who reads the files is `cgroups_v1` and `cgroups_v2`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_SECOND: Final = 1_000_000_000

# The keys of memory.stat that Docker passes on, v1; each comes once more as total_KEY.
_MEMORY_V1: Final = (
    "cache",
    "rss",
    "rss_huge",
    "mapped_file",
    "dirty",
    "writeback",
    "pgpgin",
    "pgpgout",
    "pgfault",
    "pgmajfault",
    "inactive_anon",
    "active_anon",
    "inactive_file",
    "active_file",
    "unevictable",
)
MEMORY_KEYS_V1: Final = (
    *_MEMORY_V1,
    "hierarchical_memory_limit",
    "hierarchical_memsw_limit",
    *(f"total_{key}" for key in _MEMORY_V1),
)
MEMORY_KEYS_V2: Final = (
    "anon",
    "file",
    "kernel_stack",
    "slab",
    "sock",
    "shmem",
    "file_mapped",
    "file_dirty",
    "file_writeback",
    "anon_thp",
    "inactive_anon",
    "active_anon",
    "inactive_file",
    "active_file",
    "unevictable",
    "slab_reclaimable",
    "slab_unreclaimable",
    "pgfault",
    "pgmajfault",
    "workingset_refault",
    "workingset_activate",
    "workingset_nodereclaim",
    "pgrefill",
    "pgscan",
    "pgsteal",
    "pgactivate",
    "pgdeactivate",
    "pglazyfree",
    "pglazyfreed",
    "thp_fault_alloc",
    "thp_collapse_alloc",
)


@dataclass(frozen=True, slots=True)
class CpuUsage:
    """Nanoseconds since the cgroup was made.

    Attributes:
        percpu: per processor; None on v2, which does not count so.
        periods, throttled_periods: counts; throttled_time: nanoseconds.
    """

    total: int
    kernel: int
    user: int
    percpu: tuple[int, ...] | None
    periods: int
    throttled_periods: int
    throttled_time: int


@dataclass(frozen=True, slots=True)
class MemoryUsage:
    """Bytes.

    Attributes:
        peak: None where the kernel does not keep it.
        limit: the container's limit, or the machine's memory if that is smaller.
        failures: how often the limit was hit (v1) or the container was out of memory (v2).
        details: the keys of MEMORY_KEYS_V1 or MEMORY_KEYS_V2 that the kernel has.
    """

    usage: int
    peak: int | None
    limit: int
    failures: int
    details: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class BlockEntry:
    """One counter of one block device; operation is `Read`, `Write`, … on v1, `read`, `write` on v2, "" for sums."""

    major: int
    minor: int
    operation: str
    value: int


@dataclass(frozen=True, slots=True)
class BlockUsage:
    """Docker's eight lists of counters, recursive; v2 knows only the first, the others are None there."""

    service_bytes: tuple[BlockEntry, ...]
    serviced: tuple[BlockEntry, ...] | None = None
    queued: tuple[BlockEntry, ...] | None = None
    service_time: tuple[BlockEntry, ...] | None = None
    wait_time: tuple[BlockEntry, ...] | None = None
    merged: tuple[BlockEntry, ...] | None = None
    time: tuple[BlockEntry, ...] | None = None
    sectors: tuple[BlockEntry, ...] | None = None


@dataclass(frozen=True, slots=True)
class Statistics:
    """One reading.

    Attributes:
        version: of the cgroups it is from; it decides which keys there are.
        processes: current number; process_limit: None without a limit.
        system_cpu: nanoseconds of all processors of the machine together, idle time included.
        online_cpus: processors of the machine.
    """

    version: Literal[1, 2]
    processes: int
    process_limit: int | None
    cpu: CpuUsage
    memory: MemoryUsage
    block: BlockUsage
    system_cpu: int
    online_cpus: int


def system_cpu(text: str) -> int:
    """Nanoseconds from the first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq."""
    fields = text.partition("\n")[0].split()
    return sum(int(field) for field in fields[1:8]) * _SECOND // _TICKS


def read_system_cpu() -> int:
    """The same of now."""
    with open("/proc/stat", encoding="ascii") as file:
        return system_cpu(file.readline())


def cpu_v1(usage: str, percpu: str, ticks: Mapping[str, int], throttling: Mapping[str, int]) -> CpuUsage:
    """From cpuacct.usage, cpuacct.usage_percpu, cpuacct.stat and cpu.stat."""
    return CpuUsage(
        total=int(usage or 0),
        kernel=ticks.get("system", 0) * _SECOND // _TICKS,
        user=ticks.get("user", 0) * _SECOND // _TICKS,
        percpu=tuple(int(value) for value in percpu.split()),
        periods=throttling.get("nr_periods", 0),
        throttled_periods=throttling.get("nr_throttled", 0),
        throttled_time=throttling.get("throttled_time", 0),
    )


def cpu_v2(stat: Mapping[str, int]) -> CpuUsage:
    """From cpu.stat, whose times are microseconds."""
    return CpuUsage(
        total=stat.get("usage_usec", 0) * 1000,
        kernel=stat.get("system_usec", 0) * 1000,
        user=stat.get("user_usec", 0) * 1000,
        percpu=None,
        periods=stat.get("nr_periods", 0),
        throttled_periods=stat.get("nr_throttled", 0),
        throttled_time=stat.get("throttled_usec", 0) * 1000,
    )


def memory_details(stat: Mapping[str, int], version: Literal[1, 2]) -> dict[str, int]:
    """The part of memory.stat that Docker passes on; what newer v2 kernels split in two is summed."""
    if version == 1:
        return {key: stat[key] for key in MEMORY_KEYS_V1 if key in stat}
    merged = dict(stat)
    for key in ("workingset_refault", "workingset_activate"):
        if key not in merged:
            merged[key] = stat.get(f"{key}_anon", 0) + stat.get(f"{key}_file", 0)
    return {key: merged.get(key, 0) for key in MEMORY_KEYS_V2}


def limit(text: str) -> int | None:
    """A number, or None for `max` and for v1's unlimited values."""
    if not text.isdigit():
        return None
    value = int(text)
    return None if value >= 0x7FFFFFFFFFFFF000 else value


def block_v1(text: str) -> tuple[BlockEntry, ...]:
    """`MAJ:MIN OPERATION VALUE` or `MAJ:MIN VALUE` lines of a blkio file; the `Total` of all devices is left out."""
    found = []
    for line in text.splitlines():
        device, _, rest = line.partition(" ")
        major, colon, minor = device.partition(":")
        operation, _, value = rest.rpartition(" ")
        if colon and value.isdigit():
            found.append(BlockEntry(int(major), int(minor), operation, int(value)))
    return tuple(found)


def block_v2(text: str) -> BlockUsage:
    """`MAJ:MIN rbytes=N wbytes=N …` lines of io.stat."""
    found = []
    for line in text.splitlines():
        device, *fields = line.split()
        major, _, minor = device.partition(":")
        counters = dict(field.split("=", 1) for field in fields if "=" in field)
        if minor.isdigit() and "rbytes" in counters:
            found.append(BlockEntry(int(major), int(minor), "read", int(counters["rbytes"])))
            found.append(BlockEntry(int(major), int(minor), "write", int(counters.get("wbytes", 0))))
    return BlockUsage(tuple(found))
