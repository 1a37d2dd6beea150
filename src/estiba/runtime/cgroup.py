"""One container's cgroup: what both versions have in common.

create (limits are set) → processes join → update, freeze, thaw, statistics → kill → remove.
"""

from __future__ import annotations

import os
import signal
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

from estiba.errors import SystemFailure

if TYPE_CHECKING:
    from estiba.oci.runtime_spec import Resources
    from estiba.runtime.statistics import Statistics

FREEZE_DEADLINE = 5.0
REMOVE_DEADLINE = 5.0
_KILL_PASSES = 64


class CgroupMount(NamedTuple):
    """A directory of the host that a container sees below /sys/fs/cgroup (v1), or as it (v2, name "").

    links are further names in /sys/fs/cgroup that lead to it: controllers mounted together.
    """

    host: str
    name: str
    links: tuple[str, ...]


class Cgroup(ABC):
    """A cgroup at `path` (absolute, the same in every hierarchy). Holds no descriptor of its own."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path}>"

    @abstractmethod
    def join_fds(self) -> list[int]:
        """Descriptors, owned by the caller, by which a process gets in.

        v1: the file tasks of each hierarchy, each of which the process itself, single-threaded, writes "0" to. v2:
        cgroup.procs, the same way; `directory_fd` is the other door. SystemFailure if the cgroup is gone.
        """

    @abstractmethod
    def directory_fd(self) -> int | None:
        """v2: the directory for CLONE_INTO_CGROUP, owned by the caller; None on v1."""

    @abstractmethod
    def oom_fd(self) -> int:
        """A file that has the line `oom_kill N`, owned by the caller: memory.oom_control (v1), memory.events (v2).

        It can be read (from its start) until the cgroup is removed.
        """

    @abstractmethod
    def oom_watch(self) -> int | None:
        """A descriptor, owned by the caller, that epoll reports when the container may have run out of memory.

        v1: an eventfd (EPOLLIN; also at the cgroup's end), v2: memory.events (EPOLLPRI, and EPOLLERR with it; read it
        from its start to re-arm). Compare `oom_kills` then. None without a memory controller.
        """

    @abstractmethod
    def oom_kills(self) -> int:
        """How many processes were killed for want of memory; 0 if the cgroup is gone."""

    @abstractmethod
    def update(self, resources: Resources) -> None:
        """Change limits of a live container; what is None stays as it is, devices are never touched.

        Raises SystemFailure, which names the file and value that the kernel did not take.
        """

    @abstractmethod
    def freeze(self, deadline: float = FREEZE_DEADLINE) -> None:
        """Stop every process; returns when they have stopped. SystemFailure, and thawed, after `deadline` seconds."""

    @abstractmethod
    def thaw(self) -> None:
        """Let them go on."""

    @abstractmethod
    def is_frozen(self) -> bool:
        """Whether they are stopped (or on the way to it)."""

    @abstractmethod
    def kill(self) -> None:
        """SIGKILL every process in it and below; returns when all have been sent it, not when they are gone."""

    @abstractmethod
    def processes(self) -> list[int]:
        """Process ids, of cgroups below it too; empty if it is gone."""

    @abstractmethod
    def statistics(self) -> Statistics:
        """What it uses now; SystemFailure if it is gone."""

    @abstractmethod
    def exists(self) -> bool:
        """Whether it is still there."""

    @abstractmethod
    def mounts(self) -> list[CgroupMount]:
        """What the container's /sys/fs/cgroup is made of."""

    @abstractmethod
    def remove(self, deadline: float = REMOVE_DEADLINE) -> None:
        """Remove it and all below. SystemFailure if processes are still in it after `deadline` seconds."""

    def _kill_each(self) -> None:
        """Send SIGKILL until a pass finds nobody new."""
        killed: set[int] = set()
        for _ in range(_KILL_PASSES):
            new = set(self.processes()) - killed
            if not new:
                return
            for pid in new:
                self._kill_one(pid)
            killed |= new

    def _kill_one(self, pid: int) -> None:
        """Kill by pidfd after a second look, so that a process id used again meanwhile is not hit."""
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        try:
            if self._holds(pid):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        except ProcessLookupError:
            pass
        finally:
            os.close(pidfd)

    def _holds(self, pid: int) -> bool:
        try:
            with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="surrogateescape") as file:
                places = [line.rstrip("\n").split(":", 2)[2] for line in file]
        except OSError:
            return False
        # without a cgroup namespace of its own, an engine in a container sees its outer path before ours
        return any(f"{self.path}/" in f"{place}/" for place in places)


def failure(what: str, error: OSError) -> SystemFailure:
    """The sentence for a cgroup operation that the kernel refused."""
    return SystemFailure(f"cannot {what}: {(error.strerror or str(error)).lower()}")


def deadline_after(seconds: float) -> float:
    """A point in monotonic time."""
    return time.monotonic() + seconds
