"""Where the cgroup hierarchies are, and typed access to their files (cgroups(7); cgroup-v1 and cgroup-v2 documents)."""

from __future__ import annotations

import errno
import os
import time
from dataclasses import dataclass
from typing import Literal

Layout = Literal["v1", "v2", "hybrid", "none"]

_UNNAMED_OPTIONS = frozenset({"rw", "ro", "xattr", "noprefix", "clone_children", "nsdelegate", "memory_recursiveprot"})
_BUSY = (errno.EBUSY, errno.ENOTEMPTY)


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """One mounted hierarchy.

    Attributes:
        mount: where it is mounted.
        controllers: v1: those of this hierarchy (`name=systemd` counts as one); v2: those that its root offers.
        root: which cgroup is at the mount point ("/" unless the mount shows a part only).
        own: this process's cgroup, as /proc/self/cgroup has it.
        version: 1 or 2.
    """

    mount: str
    controllers: tuple[str, ...]
    root: str
    own: str
    version: Literal[1, 2]


@dataclass(frozen=True, slots=True)
class Cgroups:
    """All hierarchies of this machine, v1 ones in mount order; `unified` is the v2 one."""

    layout: Layout
    v1: tuple[Hierarchy, ...]
    unified: Hierarchy | None

    def controllers(self) -> frozenset[str]:
        """Names of controllers that limits can be set with."""
        found = {name for hierarchy in self.v1 for name in hierarchy.controllers}
        if self.unified is not None:
            found.update(self.unified.controllers)
        return frozenset(found)

    def hierarchy(self, controller: str) -> Hierarchy | None:
        """The hierarchy that has a controller."""
        for hierarchy in self.v1:
            if controller in hierarchy.controllers:
                return hierarchy
        if self.unified is not None and controller in self.unified.controllers:
            return self.unified
        return None


def detect() -> Cgroups:
    """Read the mount table and this process's place in it. Any mount that is seen first wins over later ones."""
    with open("/proc/thread-self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
        with open("/proc/thread-self/cgroup", encoding="utf-8", errors="surrogateescape") as own:
            return parse(mounts.read(), own.read())


def parse(mountinfo: str, own: str) -> Cgroups:
    """The same from the texts of /proc/PID/mountinfo and /proc/PID/cgroup."""
    places = _own_places(own)
    v1: dict[tuple[str, ...], Hierarchy] = {}
    unified: Hierarchy | None = None
    for line in mountinfo.splitlines():
        fields = line.split(" ")
        separator = fields.index("-")
        root, mount = _unescape(fields[3]), _unescape(fields[4])
        if fields[separator + 1] == "cgroup":
            names = tuple(name for name in fields[separator + 3].split(",") if _is_controller(name))
            place = next((places[name] for name in names if name in places), "/")
            v1.setdefault(names, Hierarchy(mount, names, root, place, 1))
        elif fields[separator + 1] == "cgroup2" and unified is None:
            unified = Hierarchy(mount, _offered(mount), root, places.get("", "/"), 2)
    hierarchies = tuple(hierarchy for names, hierarchy in v1.items() if names)
    return Cgroups(_layout(hierarchies, unified), hierarchies, unified)


def _layout(v1: tuple[Hierarchy, ...], unified: Hierarchy | None) -> Layout:
    if any(not name.startswith("name=") for hierarchy in v1 for name in hierarchy.controllers):
        return "v1" if unified is None else "hybrid"
    return "none" if unified is None else "v2"


def _own_places(text: str) -> dict[str, str]:
    """Controller (or "" for v2) → path, from the lines `ID:CONTROLLERS:PATH`."""
    places: dict[str, str] = {}
    for line in text.splitlines():
        _, names, path = line.split(":", 2)
        places.update(dict.fromkeys(names.split(","), path))
    return places


def _is_controller(option: str) -> bool:
    return option not in _UNNAMED_OPTIONS and not option.startswith("release_agent=")


def _offered(mount: str) -> tuple[str, ...]:
    try:
        return tuple(read(f"{mount}/cgroup.controllers").split())
    except OSError:
        return ()


def _unescape(path: str) -> str:
    """Undo the kernel's octal escapes of blank, tab, newline and backslash."""
    if "\\" not in path:
        return path
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        path = path.replace(code, character)
    return path


def read(path: str, dir_fd: int | None = None) -> str:
    """The whole text of a control file, without the last newline."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=dir_fd)
    try:
        parts = []
        while part := os.read(fd, 65536):
            parts.append(part)
    finally:
        os.close(fd)
    return b"".join(parts).decode("ascii", "replace").removesuffix("\n")


def write(path: str, value: str, dir_fd: int | None = None) -> None:
    """Write a control file with one write(2); OSError carries the path."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC, dir_fd=dir_fd)
    try:
        os.write(fd, value.encode("ascii"))
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
    finally:
        os.close(fd)


def write_all(path: str, values: list[str], dir_fd: int | None = None) -> None:
    """Write several values to one control file, a write(2) each; OSError carries the path."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC, dir_fd=dir_fd)
    try:
        for value in values:
            os.write(fd, value.encode("ascii"))
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
    finally:
        os.close(fd)


def flat_keyed(text: str) -> dict[str, int]:
    """`KEY VALUE` lines as in memory.stat; other lines are skipped."""
    found: dict[str, int] = {}
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        if value.isdigit():
            found[key] = int(value)
    return found


def children(path: str, dir_fd: int | None = None) -> list[str]:
    """Names of the cgroups directly below one; none if it is not there."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=dir_fd)
    except FileNotFoundError:
        return []
    try:
        with os.scandir(fd) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    finally:
        os.close(fd)


def remove(path: str, deadline: float, dir_fd: int | None = None) -> None:
    """Remove a cgroup with all below it; what is already gone is fine.

    A cgroup stays busy for a moment after its last process was reaped: it is retried until `deadline` (monotonic
    seconds), then OSError EBUSY is raised.
    """
    pause = 0.0005
    while True:
        try:
            os.rmdir(path, dir_fd=dir_fd)
            return
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno not in _BUSY:
                raise
            late = time.monotonic() >= deadline
            below = children(path, dir_fd)
            if late and not below:
                raise OSError(error.errno, error.strerror, path) from None
        for name in below:
            remove(f"{path}/{name}", deadline, dir_fd)
        if not below:
            time.sleep(pause)
            pause = min(pause * 2, 0.05)


def pids(path: str, dir_fd: int | None = None) -> list[int]:
    """Processes of a cgroup and of all below it; none if it is not there.

    A threaded cgroup (v2) lists its processes at its domain only.
    """
    try:
        found = [int(pid) for pid in read(f"{path}/cgroup.procs", dir_fd).split()]
    except FileNotFoundError:
        return []
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.ENODEV):
            raise
        found = []
    for name in children(path, dir_fd):
        found += pids(f"{path}/{name}", dir_fd)
    return found
