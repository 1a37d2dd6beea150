"""The mounts of a specification in Docker's order: the kernel's, the engine's files, then the user's by depth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from estiba.engine.mounts import check_tmpfs_options
from estiba.engine.spec_process import INIT_TARGET
from estiba.oci.runtime_spec import Mount
from estiba.runtime.plan_options import SUBPATH

if TYPE_CHECKING:
    from estiba.engine.launch import Launch
    from estiba.engine.security import SecurityOptions
    from estiba.engine.state import Container, MountPoint

_STRICT: Final = ("nosuid", "noexec", "nodev")
_TMPFS_DEFAULTS: Final = ("noexec", "nosuid", "nodev")


def build_mounts(container: Container, launch: Launch, options: SecurityOptions) -> list[Mount]:
    """All mounts, the root first."""
    host = container.host
    writable = host.privileged
    mounts = [
        *launch.root,
        Mount(destination="/proc", type="proc", source="proc", options=list(_STRICT)),
        Mount(
            destination="/dev",
            type="tmpfs",
            source="tmpfs",
            options=["nosuid", "strictatime", "mode=755", "size=65536k"],
        ),
        Mount(
            destination="/dev/pts",
            type="devpts",
            source="devpts",
            options=["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        ),
        Mount(destination="/sys", type="sysfs", source="sysfs", options=[*_STRICT, *_read_only(not writable)]),
        Mount(
            destination="/sys/fs/cgroup",
            type="cgroup",
            source="cgroup",
            options=[*_read_only(not writable and not options.writable_cgroups), *_STRICT],
        ),
        Mount(destination="/dev/mqueue", type="mqueue", source="mqueue", options=list(_STRICT)),
    ]
    mounts += _shared_memory(container, launch)
    mounts += _files(container, launch)
    user = [*_user_mounts(container, launch), *_tmpfs_mounts(container)]
    mounts += sorted(user, key=lambda mount: mount.destination.count("/"))
    return mounts


def _read_only(wanted: bool) -> list[str]:
    return ["ro"] if wanted else []


def _shared_memory(container: Container, launch: Launch) -> list[Mount]:
    mode = container.host.ipc_mode
    covered = {mount.destination for mount in container.mounts} | set(container.host.tmpfs or {})
    if mode == "none" or "/dev/shm" in covered:
        return []
    if mode == "host":
        return [Mount(destination="/dev/shm", type="bind", source="/dev/shm", options=["rbind", "rprivate"])]
    if launch.shm:
        return [Mount(destination="/dev/shm", type="bind", source=launch.shm, options=["rbind", "rprivate"])]
    size = container.host.shm_size
    options = [*_STRICT, "mode=1777", f"size={size}"]
    return [Mount(destination="/dev/shm", type="tmpfs", source="shm", options=options)]


def _files(container: Container, launch: Launch) -> list[Mount]:
    covered = {mount.destination for mount in container.mounts}
    recursive = ["rro"] if container.host.readonly_rootfs else []
    mounts = [
        Mount(destination=target, type="bind", source=source, options=["rbind", *recursive, "rprivate"])
        for target, source in launch.files.items()
        if target not in covered
    ]
    if launch.init:
        mounts.append(Mount(destination=INIT_TARGET, type="bind", source=launch.init, options=["bind", "ro"]))
    return mounts


def _user_mounts(container: Container, launch: Launch) -> list[Mount]:
    mounts: list[Mount] = []
    for point in container.mounts:
        if point.type == "tmpfs":
            mounts.append(_tmpfs(point.destination, ",".join(point.options), read_only=not point.rw))
        elif point.type == "image":
            mounts += launch.extra[point.destination]
        else:
            options = [*_bind_options(point), *([f"{SUBPATH}{point.subpath}"] if point.subpath else [])]
            source = launch.sources[point.destination]
            mounts.append(Mount(destination=point.destination, type="bind", source=source, options=options))
    return mounts


def _bind_options(point: MountPoint) -> list[str]:
    chosen = ["bind" if "non-recursive" in point.options else "rbind"]
    if not point.rw:
        recursive = "non-recursive" not in point.options and "read-only-non-recursive" not in point.options
        chosen.append("rro" if recursive else "ro")
    if point.type == "bind":
        chosen.append(point.propagation or "rprivate")
    return chosen


def _tmpfs_mounts(container: Container) -> list[Mount]:
    return [_tmpfs(path, options) for path, options in (container.host.tmpfs or {}).items()]


def _tmpfs(destination: str, options: str, *, read_only: bool = False) -> Mount:
    check_tmpfs_options(options)
    chosen = [*_TMPFS_DEFAULTS, *(["ro"] if read_only else []), *(word for word in options.split(",") if word)]
    return Mount(destination=destination, type="tmpfs", source="tmpfs", options=chosen)
