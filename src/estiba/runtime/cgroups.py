"""Cgroups of containers: makes them with their limits, finds and removes them, whatever the machine's version is.

A container's cgroup is `/estiba/<root id>/<container id>`, the shims live beside it in `/estiba/<root id>/shims`.
"""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Final

from estiba.errors import EstibaError, SystemFailure
from estiba.runtime.cgroup import Cgroup, CgroupMount, failure
from estiba.runtime.cgroups_v1 import CgroupV1, HierarchiesV1
from estiba.runtime.cgroups_v2 import CgroupV2, HierarchyV2
from estiba.runtime.limits import check

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from estiba.linux.cgroupfs import Hierarchy
    from estiba.linux.host import Host
    from estiba.oci.runtime_spec import Resources

__all__ = ["Cgroup", "CgroupDriver", "CgroupMount", "check"]

SHIMS: Final = "shims"


class CgroupDriver:
    """Makes and finds cgroups below `base` (`/estiba/<root id>`), or below another parent that is asked for.

    Thread-safe. close() releases the descriptors of the mount points; no cgroup of the driver works after it.
    """

    def __init__(self, host: Host, base: str) -> None:
        self.base = base
        self._cgroups = host.cgroups
        self._lock = threading.Lock()
        self._prepared: set[str] = set()
        self._hierarchies: HierarchiesV1 | HierarchyV2
        if host.cgroups.layout == "v2" and host.cgroups.unified is not None:
            self._hierarchies = HierarchyV2(host.cgroups.unified, host.memory)
        elif host.cgroups.v1:
            self._hierarchies = HierarchiesV1(host.cgroups, host.memory)
        else:
            raise SystemFailure(
                "no cgroup hierarchy is mounted: mount -t cgroup2 cgroup2 /sys/fs/cgroup (or start this in a container "
                "that has one)"
            )

    def __enter__(self) -> CgroupDriver:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the mount points."""
        self._hierarchies.close()

    def create(self, path: str, resources: Resources | None) -> Cgroup:
        """Make a cgroup at an absolute path with these limits and device rules; parents are made as needed.

        A left-over of the same name is emptied and removed first. Raises SystemFailure or InvalidArgument for limits
        that the kernel does not take; nothing is left behind then.
        """
        with ExitStack() as undo:
            cgroup = self._make(path)
            undo.callback(self._undo, cgroup)
            if resources is not None:
                cgroup.apply(resources)
            undo.pop_all()
            return cgroup

    def open(self, path: str) -> Cgroup:
        """The cgroup of that path, which may be gone already: `exists` tells."""
        if isinstance(self._hierarchies, HierarchyV2):
            return CgroupV2(self._hierarchies, path)
        return CgroupV1(self._hierarchies, path)

    def shims_join_fds(self) -> list[int]:
        """Descriptors, owned by the caller, by which a shim leaves the engine's cgroups; it writes "0" to each.

        Only those hierarchies count in which this process is not at the root: a shim at the root of a hierarchy is in
        nobody's way there and nobody's limit, and each write costs it 25 µs.
        """
        path = f"{self.base}/{SHIMS}"
        elsewhere = [hierarchy.own not in ("/", hierarchy.root) for hierarchy in self._used()]
        if not any(elsewhere):
            return []
        self._prepare(path)
        wanted = []
        for fd, needed in zip(self.open(path).join_fds(), elsewhere, strict=True):
            if needed:
                wanted.append(fd)
            else:
                os.close(fd)
        return wanted

    def remove_stray(self, parent: str, keep: AbstractSet[str]) -> list[str]:
        """Kill and remove every cgroup directly below `parent` but the shims' and those named in `keep`.

        Returns the names removed. What resists is left for the next time.
        """
        removed = []
        for name in sorted(self._hierarchies.children(parent) - keep - {SHIMS}):
            cgroup = self.open(f"{parent.rstrip('/')}/{name}")
            with suppress(EstibaError):
                cgroup.kill()
                cgroup.remove()
                removed.append(name)
        return removed

    def remove_base(self) -> None:
        """Remove the base, the shims' cgroup and empty parents, when an engine's root directory is given up.

        What still has processes or cgroups in it stays.
        """
        with self._lock:
            self._prepared.clear()
            places = [f"{self.base}/{SHIMS}"]
            parts = self.base.strip("/").split("/")
            places += ["/" + "/".join(parts[:count]) for count in range(len(parts), 0, -1)]
            for place in places:
                if not self._hierarchies.children(place):
                    with suppress(SystemFailure):
                        self.open(place).remove(0)

    def _used(self) -> tuple[Hierarchy, ...]:
        """The hierarchies in the order of `join_fds`."""
        if isinstance(self._hierarchies, HierarchyV2):
            return (self._cgroups.unified,) if self._cgroups.unified else ()
        return self._cgroups.v1

    def _make(self, path: str) -> CgroupV1 | CgroupV2:
        parent = path.rpartition("/")[0] or "/"
        if parent not in self._prepared:
            self._prepare(parent)
        try:
            return self._hierarchies.make(path)
        except FileNotFoundError:
            # somebody removed the parent since it was prepared
            self._prepare(parent)
        except FileExistsError:
            stale = self.open(path)
            stale.kill()
            stale.remove()
        except OSError as error:
            raise failure(f"make the cgroup {path}", error) from None
        try:
            return self._hierarchies.make(path)
        except OSError as error:
            raise failure(f"make the cgroup {path}", error) from None

    def _prepare(self, path: str) -> None:
        with self._lock:
            try:
                self._hierarchies.prepare_parent(path)
            except OSError as error:
                raise failure(f"make the cgroup {path}", error) from None
            self._prepared.add(path)

    @staticmethod
    def _undo(cgroup: Cgroup) -> None:
        with suppress(SystemFailure):
            cgroup.remove(0)
