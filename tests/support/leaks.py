"""The leak check: what a test leaves behind in the kernel or in this process is an error of the test."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

DEADLINE = 5.0


@dataclass(frozen=True)
class Inventory:
    """What there is at a moment, as far as a marker (a directory or root id of ours) names it."""

    mounts: frozenset[str] = frozenset()
    descriptors: frozenset[str] = frozenset()
    processes: frozenset[str] = frozenset()
    cgroups: frozenset[str] = frozenset()
    namespaces: frozenset[str] = field(default_factory=frozenset)

    def left_since(self, before: Inventory) -> dict[str, list[str]]:
        """What is here now and was not then."""
        kinds = ("mounts", "descriptors", "processes", "cgroups", "namespaces")
        differences = {kind: sorted(getattr(self, kind) - getattr(before, kind)) for kind in kinds}
        return {kind: found for kind, found in differences.items() if found}


def take_inventory(root_id: str = "") -> Inventory:
    """Mounts, this process's descriptors, its descendants and the cgroups of one engine."""
    return Inventory(
        mounts=_mounts(),
        descriptors=_descriptors(),
        processes=_descendants(),
        cgroups=_cgroups(root_id),
    )


def wait_until_clean(before: Inventory, root_id: str = "") -> dict[str, list[str]]:
    """What is still left when the kernel has had time to finish; {} is what should come back."""
    deadline = time.monotonic() + DEADLINE
    while True:
        left = take_inventory(root_id).left_since(before)
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.02)


def _mounts() -> frozenset[str]:
    return frozenset(line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())


def _descriptors() -> frozenset[str]:
    found = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:
            continue
        found.add(f"{number} {target}")
    return frozenset(found)


def _descendants() -> frozenset[str]:
    children: dict[int, list[tuple[int, str]]] = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            fields = Path(f"/proc/{name}/stat").read_text().rsplit(")", 1)
        except (FileNotFoundError, ProcessLookupError):
            continue
        parent = int(fields[1].split()[1])
        children.setdefault(parent, []).append((int(name), fields[0].split("(", 1)[1]))
    found, pending = set(), [os.getpid()]
    while pending:
        for pid, command in children.get(pending.pop(), []):
            found.add(f"{pid} {command}")
            pending.append(pid)
    return frozenset(found)


def _cgroups(root_id: str) -> frozenset[str]:
    if not root_id:
        return frozenset()
    found = set()
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if " - cgroup" not in line:
            continue
        base = Path(line.split()[4]) / "estiba" / root_id
        if base.is_dir():
            found |= {str(path) for path in base.iterdir() if path.is_dir() and path.name != "shims"}
    return frozenset(found)
