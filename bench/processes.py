"""What processes and the kernel hold and use, read from /proc."""

from __future__ import annotations

import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def parent(pid: int) -> int:
    """The parent's id."""
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def children(pid: int) -> list[int]:
    """Direct children of all threads."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        found += map(int, path.read_text().split())
    return found


def name(pid: int) -> str:
    """The command's name."""
    return Path(f"/proc/{pid}/comm").read_text().strip()


def pss(pid: int) -> int:
    """Proportional set size in bytes: shared pages count by their share."""
    return _field(Path(f"/proc/{pid}/smaps_rollup").read_text(), "Pss")


def rss(pid: int) -> int:
    """Resident set size in bytes."""
    return _field(Path(f"/proc/{pid}/status").read_text(), "VmRSS")


def kernel_memory() -> int:
    """Bytes that the kernel holds for itself: slab, stacks, page tables, per-processor data.

    Of the whole machine: only its growth over many like things means something, and only while little else happens.
    """
    text = Path("/proc/meminfo").read_text()
    return sum(_field(text, part) for part in ("Slab", "KernelStack", "PageTables", "Percpu"))


def _field(text: str, key: str) -> int:
    for line in text.splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    raise KeyError(key)


def load() -> float:
    """Runnable processes, averaged over the last minute."""
    return os.getloadavg()[0]
