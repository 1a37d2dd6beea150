"""What an engine's root, run directory and cgroups hold, to be compared with what its records say should be there."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from estiba.store import roots


@dataclass
class Holdings:
    """Names found, by kind."""

    snapshots: set[str] = field(default_factory=set)
    directories: set[str] = field(default_factory=set)
    run_directories: set[str] = field(default_factory=set)
    cgroups: set[str] = field(default_factory=set)
    shims: set[int] = field(default_factory=set)
    mounts: list[str] = field(default_factory=list)
    temporary: set[str] = field(default_factory=set)


def root_id(root: Path) -> str:
    """The engine's name for a root, as in its cgroups and run directories."""
    return roots.root_id(root.stat())


def take(root: Path, run_top: Path) -> Holdings:
    """Look at the disk and the kernel."""
    identity = root_id(root)
    run_dir = run_top / identity
    return Holdings(
        snapshots=_names(root / "snapshots"),
        directories=_names(root / "containers"),
        run_directories=_names(run_dir / "c"),
        cgroups=_cgroups(identity),
        shims=_shims(run_dir),
        mounts=[line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(root) in line],
        temporary=_names(root / "tmp") | {name for name in _names(root / "layers") if name.startswith(".")},
    )


def _names(directory: Path) -> set[str]:
    try:
        return set(os.listdir(directory))
    except FileNotFoundError:
        return set()


def _cgroups(identity: str) -> set[str]:
    found: set[str] = set()
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if " - cgroup" in line:
            base = Path(line.split()[4]) / "estiba" / identity
            if base.is_dir():
                found |= {path.name for path in base.iterdir() if path.is_dir() and path.name != "shims"}
    return found


def _shims(run_dir: Path) -> set[int]:
    """Processes that hold something below the run directory open: the shims of this engine's containers."""
    found = set()
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            if Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0")[0] != b"estiba-shim":
                continue
            targets = {os.readlink(f"/proc/{name}/fd/{number}") for number in os.listdir(f"/proc/{name}/fd")}
        except OSError:
            continue
        if any(target.startswith(str(run_dir)) for target in targets):
            found.add(int(name))
    return found
