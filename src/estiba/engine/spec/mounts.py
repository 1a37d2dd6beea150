"""The mounts of a specification: kernel file systems, then the user's and the engine's own by their target's depth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from estiba.engine.spec import tmpfs as tmpfs_options
from estiba.engine.spec.paths import clean
from estiba.engine.spec.process import INIT_TARGET
from estiba.oci.runtime_spec import Mount
from estiba.runtime.plan_options import SUBPATH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from estiba.engine.spec.launch import Launch
    from estiba.engine.spec.security import SecurityOptions
    from estiba.engine.state import Container, MountPoint

SHARED_MEMORY: Final = "/dev/shm"
_STRICT: Final = ("nosuid", "noexec", "nodev")


def build_mounts(container: Container, launch: Launch, options: SecurityOptions) -> list[Mount]:
    """All mounts, the root first.

    A target of the user replaces what would be there otherwise; a user's /dev also everything below it.
    """
    own = [*_user_mounts(container, launch), *_tmpfs_mounts(container)]
    taken = {mount.destination for mount in own}
    shared = [] if SHARED_MEMORY in taken else _shared_memory(container, launch)
    files = [mount for mount in _files(container, launch) if mount.destination not in taken]
    kernel = [
        mount
        for mount in _kernel_mounts(container, options)
        if mount.destination not in taken and not ("/dev" in taken and mount.destination.startswith("/dev/"))
    ]
    if shared and shared[0].type == "tmpfs":
        if "/dev" not in taken:
            kernel += shared
        shared = []
    if launch.init:
        kernel.append(Mount(destination=INIT_TARGET, type="bind", source=launch.init, options=["bind", "ro"]))
    below = sorted([*shared, *own, *files], key=lambda mount: mount.destination.count("/"))
    return [*launch.root, *kernel, *below]


def _kernel_mounts(container: Container, options: SecurityOptions) -> Iterator[Mount]:
    privileged = container.host.privileged
    yield _mount("/proc", "proc", "proc", *_STRICT)
    yield _mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k")
    yield _mount(
        "/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"
    )
    yield _mount("/sys", "sysfs", "sysfs", *_STRICT, *([] if privileged else ["ro"]))
    writable = privileged or options.writable_cgroups
    yield _mount("/sys/fs/cgroup", "cgroup", "cgroup", *([] if writable else ["ro"]), *_STRICT)
    yield _mount("/dev/mqueue", "mqueue", "mqueue", *_STRICT)


def _mount(destination: str, kind: str, source: str, *options: str) -> Mount:
    return Mount(destination=destination, type=kind, source=source, options=list(options))


def _shared_memory(container: Container, launch: Launch) -> list[Mount]:
    mode = container.host.ipc_mode
    if mode == "none":
        return []
    source = SHARED_MEMORY if mode == "host" else launch.shm
    if source:
        return [_mount(SHARED_MEMORY, "bind", source, "rbind", "rprivate")]
    size = f"size={container.host.shm_size}"
    return [_mount(SHARED_MEMORY, "tmpfs", "shm", *_STRICT, "mode=1777", size)]


def _files(container: Container, launch: Launch) -> list[Mount]:
    read_only = ["rro"] if container.host.readonly_rootfs else []
    return [_mount(target, "bind", source, "rbind", *read_only, "rprivate") for target, source in launch.files.items()]


def _user_mounts(container: Container, launch: Launch) -> Iterator[Mount]:
    for point in container.mounts:
        if point.type == "tmpfs":
            yield _mount(point.destination, "tmpfs", "tmpfs", *tmpfs_options.merged(point.options))
        elif point.type == "image":
            yield from launch.extra[point.destination]
        else:
            source = launch.sources.get(point.destination, point.source)
            yield _mount(point.destination, "bind", source, *_bind_options(point))


def _bind_options(point: MountPoint) -> Iterator[str]:
    yield "bind" if "non-recursive" in point.options else "rbind"
    if not point.rw:
        yield "ro" if "read-only-non-recursive" in point.options else "rro"
    if point.propagation:
        yield point.propagation
    if point.subpath:
        yield f"{SUBPATH}{point.subpath}"


def _tmpfs_mounts(container: Container) -> Iterator[Mount]:
    for path, options in (container.host.tmpfs or {}).items():
        yield _mount(clean(path), "tmpfs", "tmpfs", *tmpfs_options.merged(options.split(",")))
