"""Whether a mount of the host passes mounts on: what a bind with shared or slave propagation needs."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from estiba.errors import SystemFailure

if TYPE_CHECKING:
    from collections.abc import Iterable

    from estiba.engine.state import MountPoint


def root_propagation(mounts: Iterable[tuple[MountPoint, str]]) -> str | None:
    """The propagation of the container's root that its binds ask for; None: Docker's default.

    Args:
        mounts: binds with their sources on the host.

    Raises SystemFailure, in Docker's words, for a source below no shared (or slave) mount.
    """
    wanted = None
    for mount, source in mounts:
        if mount.propagation in ("shared", "rshared"):
            where, peers = _mount_of(source)
            if "shared" not in peers:
                raise SystemFailure(f"path {source} is mounted on {where} but it is not a shared mount")
            wanted = "shared"
        elif mount.propagation in ("slave", "rslave"):
            where, peers = _mount_of(source)
            if not peers & {"shared", "master"}:
                raise SystemFailure(f"path {source} is mounted on {where} but it is not a shared or slave mount")
            wanted = wanted or "rslave"
    return wanted


def _mount_of(path: str) -> tuple[str, set[str]]:
    """The mount point that holds a path, and the words of its propagation (proc_pid_mountinfo(5), field 7)."""
    path = os.path.realpath(path)
    best, words = "", set[str]()
    with open("/proc/thread-self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            fields = line.split(" ")
            place = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields[4])
            # a later mount on the same point hides the earlier one
            if (path == place or path.startswith(place.rstrip("/") + "/")) and len(place) >= len(best):
                best = place
                words = {field.partition(":")[0] for field in fields[6 : fields.index("-")]}
    return best, words
