"""cgroup v1 (also the hybrid layout, whose limits are v1's): one directory per hierarchy.

A start makes, and an end removes, a directory in each of about nine hierarchies, so this file counts system calls: the
mount points are held open, cpuset values are inherited by `cgroup.clone_children` of the parent.
"""

from __future__ import annotations

import errno
import os
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from estiba.errors import SystemFailure
from estiba.linux import cgroupfs
from estiba.runtime import limits_v1
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

# Any hierarchy shows all processes; the devices controller is one that containers cannot do without.
_LISTING = ("devices", "pids", "freezer", "memory", "cpu")


class HierarchiesV1:
    """The mounted v1 hierarchies with their mount points held open. Thread-safe; close() ends it."""

    def __init__(self, cgroups: cgroupfs.Cgroups, memory: int) -> None:
        self.hierarchies = cgroups.v1
        self.host_memory = memory
        self._resources = ExitStack()
        self._fds: list[int] = []
        self.by_controller: dict[str, int] = {}
        for hierarchy in self.hierarchies:
            fd = os.open(hierarchy.mount, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            self._resources.callback(os.close, fd)
            self._fds.append(fd)
            self.by_controller.update(dict.fromkeys(hierarchy.controllers, fd))

    def close(self) -> None:
        """Close the mount points; no cgroup of this driver works after it."""
        self._resources.close()

    def fds(self) -> list[int]:
        """The mount points, in the order of `hierarchies`."""
        return self._fds

    def fd(self, controller: str) -> int | None:
        """The mount point of a controller's hierarchy, None where it is not mounted."""
        return self.by_controller.get(controller)

    def listing_fd(self) -> int:
        """The hierarchy that is asked for processes."""
        for controller in _LISTING:
            if controller in self.by_controller:
                return self.by_controller[controller]
        return self._fds[0]

    def prepare_parent(self, path: str) -> None:
        """Make a cgroup for others to be made in, and hand the root's cpus and memory nodes down to it."""
        place = ""
        for part in path.strip("/").split("/"):
            above, place = place, f"{place}/{part}" if place else part
            for fd in self._fds:
                with suppress(FileExistsError):
                    os.mkdir(place, 0o755, dir_fd=fd)
            self._inherit(above or ".", place)

    def _inherit(self, above: str, place: str) -> None:
        cpuset = self.fd("cpuset")
        if cpuset is not None:
            for file in ("cpuset.cpus", "cpuset.mems"):
                if not cgroupfs.read(f"{place}/{file}", cpuset).strip():
                    cgroupfs.write(f"{place}/{file}", cgroupfs.read(f"{above}/{file}", cpuset), cpuset)
            cgroupfs.write(f"{place}/cgroup.clone_children", "1", cpuset)
        memory = self.fd("memory")
        if memory is not None:
            # newer kernels always count hierarchically, older ones only when told before there are children
            with suppress(OSError):
                if cgroupfs.read(f"{place}/memory.use_hierarchy", memory).strip() == "0":
                    cgroupfs.write(f"{place}/memory.use_hierarchy", "1", memory)

    def make(self, path: str) -> CgroupV1:
        """Make the directories of a container; FileExistsError if one is there, FileNotFoundError without a parent."""
        place = path.lstrip("/")
        made: list[int] = []
        try:
            for fd in self._fds:
                os.mkdir(place, 0o755, dir_fd=fd)
                made.append(fd)
        except OSError:
            for fd in made:
                with suppress(OSError):
                    os.rmdir(place, dir_fd=fd)
            raise
        return CgroupV1(self, path)

    def children(self, path: str) -> set[str]:
        """Names below a cgroup, in any hierarchy."""
        return {name for fd in self._fds for name in cgroupfs.children(path.lstrip("/"), fd)}


class CgroupV1(Cgroup):
    """A container's directories in all v1 hierarchies."""

    def __init__(self, hierarchies: HierarchiesV1, path: str) -> None:
        super().__init__(path)
        self._hierarchies = hierarchies
        self._place = path.lstrip("/")
        self._files = limits_v1.ControlFiles(path, hierarchies.by_controller)

    def exists(self) -> bool:
        try:
            os.stat(self._place, dir_fd=self._hierarchies.listing_fd())
        except FileNotFoundError:
            return False
        return True

    def join_fds(self) -> list[int]:
        # not cgroup.procs: that takes the lock against every fork of the machine and waits for RCU, 6 ms on an idle one
        file = f"{self._place}/tasks"
        with ExitStack() as opened:
            fds = []
            for root in self._hierarchies.fds():
                try:
                    fd = os.open(file, os.O_WRONLY | os.O_CLOEXEC, dir_fd=root)
                except OSError as error:
                    raise failure(f"join the cgroup {self.path}", error) from None
                opened.callback(os.close, fd)
                fds.append(fd)
            opened.pop_all()
            return fds

    def directory_fd(self) -> int | None:
        return None

    def oom_fd(self) -> int:
        root = self._hierarchies.fd("memory")
        if root is None:
            raise SystemFailure(f"cannot watch the memory of {self.path}: no memory controller is mounted")
        try:
            return os.open(f"{self._place}/memory.oom_control", os.O_RDONLY | os.O_CLOEXEC, dir_fd=root)
        except OSError as error:
            raise failure(f"watch the memory of {self.path}", error) from None

    def oom_watch(self) -> int | None:
        root = self._hierarchies.fd("memory")
        if root is None:
            return None
        with ExitStack() as opened:
            event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
            undo = opened.enter_context(ExitStack())
            undo.callback(os.close, event)
            control = self.oom_fd()
            opened.callback(os.close, control)
            try:
                cgroupfs.write(f"{self._place}/cgroup.event_control", f"{event} {control}", root)
            except OSError as error:
                if error.errno == errno.ENOENT:
                    raise failure(f"watch the memory of {self.path}", error) from None
                return None
            undo.pop_all()
            return event

    def oom_kills(self) -> int:
        return cgroupfs.flat_keyed(self._files.text("memory", "memory.oom_control")).get("oom_kill", 0)

    def freeze(self, deadline: float = FREEZE_DEADLINE) -> None:
        if self._hierarchies.fd("freezer") is None:
            raise SystemFailure(f"cannot pause {self.path}: no freezer controller is mounted")
        end = deadline_after(deadline)
        pause = 0.0001
        tries = 0
        while True:
            self._files.write("freezer", "freezer.state", "FROZEN")
            if self._files.text("freezer", "freezer.state") == "FROZEN":
                return
            if time.monotonic() >= end:
                self.thaw()
                raise SystemFailure(f"cannot pause {self.path}: its processes did not stop within {deadline:g} s")
            tries += 1
            # a container that forks all the time can stay half-frozen for good: begin anew now and then
            if tries % 10 == 0:
                self.thaw()
            time.sleep(pause)
            pause = min(pause * 2, 0.01)

    def thaw(self) -> None:
        self._files.write("freezer", "freezer.state", "THAWED")

    def is_frozen(self) -> bool:
        return self._files.text("freezer", "freezer.state") in ("FROZEN", "FREEZING")

    def kill(self) -> None:
        was_frozen = False
        with suppress(SystemFailure):
            self.freeze(0.2)
            was_frozen = True
        try:
            self._kill_each()
        finally:
            if was_frozen or self.is_frozen():
                with suppress(SystemFailure):
                    self.thaw()

    def processes(self) -> list[int]:
        return cgroupfs.pids(self._place, self._hierarchies.listing_fd())

    def mounts(self) -> list[CgroupMount]:
        found = []
        for hierarchy in self._hierarchies.hierarchies:
            name = os.path.basename(hierarchy.mount)
            links = tuple(c for c in hierarchy.controllers if c != name and not c.startswith("name="))
            found.append(CgroupMount(f"{hierarchy.mount}{self.path}", name, links if len(links) > 1 else ()))
        return found

    def remove(self, deadline: float = REMOVE_DEADLINE) -> None:
        end = deadline_after(deadline)
        for root in self._hierarchies.fds():
            try:
                cgroupfs.remove(self._place, end, root)
            except OSError as error:
                raise failure(f"remove the cgroup {self.path}", error) from None

    def apply(self, resources: Resources) -> None:
        """Set the limits and device rules of a cgroup that nobody is in yet."""
        limits_v1.write_limits(self._files, resources)
        if resources.devices:
            limits_v1.write_devices(self._files, resources.devices)

    def update(self, resources: Resources) -> None:
        limits_v1.write_limits(self._files, resources)

    def statistics(self) -> usage.Statistics:
        if not self.exists():
            raise SystemFailure(f"cannot read the statistics of {self.path}: the cgroup is gone")
        text = self._files.text
        limit = usage.limit(text("memory", "memory.limit_in_bytes"))
        host = self._hierarchies.host_memory
        return usage.Statistics(
            version=1,
            processes=int(text("pids", "pids.current") or len(self.processes())),
            process_limit=usage.limit(text("pids", "pids.max")),
            cpu=usage.cpu_v1(
                text("cpuacct", "cpuacct.usage"),
                text("cpuacct", "cpuacct.usage_percpu"),
                cgroupfs.flat_keyed(text("cpuacct", "cpuacct.stat")),
                cgroupfs.flat_keyed(text("cpu", "cpu.stat")),
            ),
            memory=usage.MemoryUsage(
                usage=int(text("memory", "memory.usage_in_bytes") or 0),
                peak=int(text("memory", "memory.max_usage_in_bytes") or 0),
                limit=min(limit, host) if limit is not None else host,
                failures=int(text("memory", "memory.failcnt") or 0),
                details=usage.memory_details(cgroupfs.flat_keyed(text("memory", "memory.stat")), 1),
            ),
            block=self._block_usage(),
            system_cpu=usage.read_system_cpu(),
            online_cpus=os.cpu_count() or 1,
        )

    def _block_usage(self) -> usage.BlockUsage:
        def counters(*files: str) -> tuple[usage.BlockEntry, ...]:
            for file in files:
                found = usage.block_v1(self._files.text("blkio", file))
                if found:
                    return found
            return ()

        # the schedulers' counters where there are any, else those of the throttle, which every kernel keeps
        return usage.BlockUsage(
            service_bytes=counters(
                "blkio.bfq.io_service_bytes_recursive",
                "blkio.io_service_bytes_recursive",
                "blkio.throttle.io_service_bytes_recursive",
                "blkio.throttle.io_service_bytes",
            ),
            serviced=counters(
                "blkio.bfq.io_serviced_recursive",
                "blkio.io_serviced_recursive",
                "blkio.throttle.io_serviced_recursive",
                "blkio.throttle.io_serviced",
            ),
            queued=counters("blkio.bfq.io_queued_recursive", "blkio.io_queued_recursive"),
            service_time=counters("blkio.bfq.io_service_time_recursive", "blkio.io_service_time_recursive"),
            wait_time=counters("blkio.bfq.io_wait_time_recursive", "blkio.io_wait_time_recursive"),
            merged=counters("blkio.bfq.io_merged_recursive", "blkio.io_merged_recursive"),
            time=counters("blkio.bfq.time_recursive", "blkio.time_recursive"),
            sectors=counters("blkio.bfq.sectors_recursive", "blkio.sectors_recursive"),
        )
