"""Detached mounts that are made before a container's process, because that could not make them.

Shared memory lies in another container's mount namespace, from which nothing can be cloned from outside. Overlays of a
container with a user namespace need the host's rights; mount(2), the only way on kernels before 6.8, needs a mount
namespace to mount them in first.
"""

from __future__ import annotations

import errno
import os
import re
from typing import TYPE_CHECKING, Final

from estiba.errors import Conflict, SystemFailure
from estiba.linux import mount as mounts_api
from estiba.linux import overlay, pidfd
from estiba.linux.mount_namespaces import in_own_mounts
from estiba.linux.openat2 import RESOLVE_NO_SYMLINKS, openat2
from estiba.linux.statfs import TMPFS, file_system_type
from estiba.runtime import plan_options

if TYPE_CHECKING:
    from estiba.oci.runtime_spec import Mount, Spec
    from estiba.runtime.start import Numbers

SHARED_MEMORY: Final = "/dev/shm"
_OF_PROCESS: Final = re.compile(r"/proc/(\d+)/root/dev/shm")
_AT_FDCWD: Final = -100


def open_trees(numbers: Numbers, spec: Spec, *, overlay_layers: bool) -> dict[str, int]:
    """The detached mounts of a specification, by destination: Descriptors.trees.

    A bind of /proc/PID/root/dev/shm on /dev/shm is the shared memory of that process's container. overlay_layers: as
    for compile_plan. Raises Conflict when the process is gone, SystemFailure.
    """
    own_user = any(namespace.type == "user" for namespace in spec.linux.namespaces)
    trees = {}
    for mount in spec.mounts:
        if mount.destination == SHARED_MEMORY and (match := _OF_PROCESS.fullmatch(mount.source or "")):
            trees[mount.destination] = numbers.add(_shared_memory(int(match[1])))
        elif own_user and mount.type == "overlay" and _needs_mount(mount, overlay_layers):
            trees[mount.destination] = numbers.add(_overlay(mount, spec.root.path))
    return trees


def _shared_memory(pid: int) -> int:
    try:
        namespace = pidfd.open_of_process(pid, "ns/mnt")
    except (ProcessLookupError, FileNotFoundError):
        raise Conflict("cannot join the ipc namespace of a non running container") from None
    try:
        return in_own_mounts(_clone_shared_memory, joined=namespace)
    except OSError as error:
        raise SystemFailure(f"cannot share /dev/shm of process {pid}: {error.strerror}") from error
    finally:
        os.close(namespace)


def _clone_shared_memory() -> int:
    """Runs in the other mount namespace, where somebody with rights may have put anything in this place."""
    descriptor = openat2(_AT_FDCWD, SHARED_MEMORY, os.O_PATH | os.O_DIRECTORY, resolve=RESOLVE_NO_SYMLINKS)
    try:
        above = os.stat("..", dir_fd=descriptor)
        if file_system_type(descriptor) != TMPFS or above.st_dev == os.fstat(descriptor).st_dev:
            raise OSError(errno.EINVAL, "it is not a tmpfs of its own")
        return mounts_api.open_tree(descriptor, "", mounts_api.OPEN_TREE_CLONE | mounts_api.AT_EMPTY_PATH)
    finally:
        os.close(descriptor)


def _needs_mount(mount: Mount, overlay_layers: bool) -> bool:
    options = plan_options.of_mount(mount)
    return overlay.arrange(options.data, layers=overlay_layers).one_string


def _overlay(mount: Mount, place: str) -> int:
    options = plan_options.of_mount(mount)

    def make() -> int:
        directory = os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            overlay.mount_on(directory, options.data)
        finally:
            os.close(directory)
        return mounts_api.open_tree(_AT_FDCWD, place)

    try:
        return in_own_mounts(make)
    except OSError as error:
        raise SystemFailure(f"cannot mount the overlay at {mount.destination}: {error.strerror}") from error
