"""cgroup v2: one directory with all controllers, a device filter in eBPF, kill and freeze by the kernel."""

from __future__ import annotations

import errno
import os
import select
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from estiba.errors import SystemFailure
from estiba.linux import cgroupfs
from estiba.runtime import limits_v2
from estiba.runtime import statistics as usage
from estiba.runtime.cgroup import (
    FREEZE_DEADLINE,
    REMOVE_DEADLINE,
    Cgroup,
    CgroupMount,
    deadline_after,
    failure,
)

if TYPE_CHECKING:
    from estiba.oci.runtime_spec import Resources

_ROOM: Final = "init"
_CONTROLLERS: Final = ("cpuset", "cpu", "io", "memory", "pids")


class HierarchyV2:
    """The unified hierarchy with its mount point held open. Thread-safe; close() ends it."""

    def __init__(self, unified: cgroupfs.Hierarchy, memory: int) -> None:
        self.mount = unified.mount
        self.host_memory = memory
        self._wanted = tuple(name for name in _CONTROLLERS if name in unified.controllers)
        self.root = os.open(unified.mount, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        """Close the mount point; no cgroup of this hierarchy works after it."""
        if self.root >= 0:
            os.close(self.root)
            self.root = -1

    def prepare_parent(self, path: str) -> None:
        """Make a cgroup for others to be made in, with the controllers handed down to it and its children."""
        place = "."
        self._delegate(place)
        for part in path.strip("/").split("/"):
            place = f"{place}/{part}"
            with suppress(FileExistsError):
                os.mkdir(place, 0o755, dir_fd=self.root)
            self._delegate(place)

    def _delegate(self, place: str) -> None:
        file = f"{place}/cgroup.subtree_control"
        missing = set(self._wanted) - set(cgroupfs.read(file, self.root).split())
        wanted = [f"+{name}" for name in self._wanted if name in missing]
        if not wanted:
            return
        for last in (False, True):
            try:
                cgroupfs.write(file, " ".join(wanted), self.root)
            except OSError as error:
                if error.errno == errno.EBUSY and place == "." and not last:
                    self._make_room()
                    continue
                if error.errno == errno.EBUSY:
                    raise SystemFailure(
                        f"cannot hand the controllers {' '.join(sorted(missing))} down from {self.mount}/{place}: "
                        "there are processes in it; move them into a cgroup below it first"
                    ) from None
                raise failure(f"enable {' '.join(wanted)} in {self.mount}/{place}", error) from None
            return

    def _make_room(self) -> None:
        """Move the processes at the mount point one level down.

        The machine's own root may have processes and controllers; that it may not says that this is the root of a
        container, whose few processes (ours among them) no manager looks after.
        """
        with suppress(FileExistsError):
            os.mkdir(_ROOM, 0o755, dir_fd=self.root)
        for pid in cgroupfs.read("cgroup.procs", self.root).split():
            with suppress(ProcessLookupError):
                cgroupfs.write(f"{_ROOM}/cgroup.procs", pid, self.root)

    def make(self, path: str) -> CgroupV2:
        """Make the directory of a container; FileExistsError if it is there, FileNotFoundError without a parent."""
        os.mkdir(path.lstrip("/"), 0o755, dir_fd=self.root)
        return CgroupV2(self, path)

    def children(self, path: str) -> set[str]:
        """Names below a cgroup."""
        return set(cgroupfs.children(path.lstrip("/"), self.root))


class CgroupV2(Cgroup):
    """A container's directory in the unified hierarchy."""

    def __init__(self, hierarchy: HierarchyV2, path: str) -> None:
        super().__init__(path)
        self._hierarchy = hierarchy
        self._place = path.lstrip("/")
        self._files = limits_v2.ControlFiles(path, hierarchy.root)

    def exists(self) -> bool:
        return self._files.has("cgroup.procs")

    def join_fds(self) -> list[int]:
        return [self._open("cgroup.procs", os.O_WRONLY, "join the cgroup")]

    def directory_fd(self) -> int | None:
        return self._open(".", os.O_RDONLY | os.O_DIRECTORY, "join the cgroup")

    def oom_fd(self) -> int:
        return self._open("memory.events", os.O_RDONLY, "watch the memory of")

    def oom_watch(self) -> int | None:
        if not self._files.has("memory.events"):
            return None
        return self.oom_fd()

    def _open(self, file: str, flags: int, what: str) -> int:
        try:
            return os.open(f"{self._place}/{file}", flags | os.O_CLOEXEC, dir_fd=self._hierarchy.root)
        except OSError as error:
            raise failure(f"{what} {self.path}", error) from None

    def oom_kills(self) -> int:
        return cgroupfs.flat_keyed(self._files.text("memory.events")).get("oom_kill", 0)

    def freeze(self, deadline: float = FREEZE_DEADLINE) -> None:
        end = deadline_after(deadline)
        events = self._open("cgroup.events", os.O_RDONLY, "pause")
        try:
            poller = select.poll()
            poller.register(events, select.POLLPRI)
            self._files.write("cgroup.freeze", "1")
            while b"frozen 1" not in os.pread(events, 4096, 0):
                left = end - time.monotonic()
                if left <= 0:
                    self.thaw()
                    raise SystemFailure(f"cannot pause {self.path}: its processes did not stop within {deadline:g} s")
                poller.poll(left * 1000)
        except OSError as error:
            raise failure(f"pause {self.path}", error) from None
        finally:
            os.close(events)

    def thaw(self) -> None:
        self._files.write("cgroup.freeze", "0")

    def is_frozen(self) -> bool:
        return self._files.text("cgroup.freeze") == "1"

    def kill(self) -> None:
        if not self.exists():
            return
        if self._files.write_if_there("cgroup.kill", "1"):
            return
        # kernels before 5.14: signals reach frozen processes of v2, and nobody can fork away from them
        with suppress(SystemFailure):
            self.freeze(0.2)
        self._kill_each()
        with suppress(SystemFailure):
            self.thaw()

    def processes(self) -> list[int]:
        return cgroupfs.pids(self._place, self._hierarchy.root)

    def mounts(self) -> list[CgroupMount]:
        return [CgroupMount(f"{self._hierarchy.mount}{self.path}", "", ())]

    def remove(self, deadline: float = REMOVE_DEADLINE) -> None:
        try:
            cgroupfs.remove(self._place, deadline_after(deadline), self._hierarchy.root)
        except OSError as error:
            raise failure(f"remove the cgroup {self.path}", error) from None

    def apply(self, resources: Resources) -> None:
        """Set the limits and the device filter of a cgroup that nobody is in yet."""
        limits_v2.write_limits(self._files, resources)
        if resources.devices:
            directory = self._open(".", os.O_RDONLY | os.O_DIRECTORY, "open the cgroup")
            try:
                limits_v2.attach_devices(directory, self.path, resources.devices)
            finally:
                os.close(directory)

    def update(self, resources: Resources) -> None:
        limits_v2.write_limits(self._files, resources)

    def statistics(self) -> usage.Statistics:
        if not self.exists():
            raise SystemFailure(f"cannot read the statistics of {self.path}: the cgroup is gone")
        text = self._files.text
        limit = usage.limit(text("memory.max"))
        host = self._hierarchy.host_memory
        peak = text("memory.peak")
        return usage.Statistics(
            version=2,
            processes=int(text("pids.current") or len(self.processes())),
            process_limit=usage.limit(text("pids.max")),
            cpu=usage.cpu_v2(cgroupfs.flat_keyed(text("cpu.stat"))),
            memory=usage.MemoryUsage(
                usage=int(text("memory.current") or 0),
                peak=int(peak) if peak else None,
                limit=min(limit, host) if limit is not None else host,
                failures=cgroupfs.flat_keyed(text("memory.events")).get("oom", 0),
                details=usage.memory_details(cgroupfs.flat_keyed(text("memory.stat")), 2),
            ),
            block=usage.block_v2(text("io.stat")),
            system_cpu=usage.read_system_cpu(),
            online_cpus=os.cpu_count() or 1,
        )
