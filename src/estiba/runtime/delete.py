"""After a container's end, or in place of it: nothing of a start stays behind."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from estiba.runtime.state import CGROUP

if TYPE_CHECKING:
    from pathlib import Path

    from estiba.runtime.cgroups import CgroupDriver


def cgroup_path(directory: Path, default: str) -> str:
    """The cgroup that the start in this run directory was given; where that isn't known any more, the usual one."""
    try:
        return os.readlink(directory / CGROUP)
    except OSError:
        return default


def cleanup(directory: Path, cgroups: CgroupDriver, default_cgroup: str) -> None:
    """Kill what is left in the cgroup, remove it and the run directory. Idempotent.

    Raises SystemFailure if a process can't be got rid of; then the run directory stays, for another try.
    """
    cgroup = cgroups.open(cgroup_path(directory, default_cgroup))
    if cgroup.exists() and cgroup.processes():
        cgroup.kill()
    cgroup.remove()  # also where a crash left it in some hierarchies only
    remove_run_directory(directory)


def remove_run_directory(directory: Path) -> None:
    """Remove a run directory with what is in it. Idempotent."""
    shutil.rmtree(directory, ignore_errors=True)
