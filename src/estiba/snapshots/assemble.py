"""Root file systems put together as detached mount trees: seen by nobody, gone with their last descriptor.

From Linux 6.8 on each overlay is made by fsopen, from 6.15 on further ones are attached to the detached tree. Before,
a thread with a mount namespace of its own mounts in the old way and opens a detached copy.
"""

from __future__ import annotations

import errno
import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from estiba.errors import SystemFailure
from estiba.linux import mount as mounts_api
from estiba.linux import overlay
from estiba.linux.mount_namespaces import in_own_mounts
from estiba.linux.openat2 import open_in_root
from estiba.linux.xattr import path_of
from estiba.oci.runtime_spec import Mount

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

# A directory renamed or a file's metadata copied alone would make an upper directory that can't be packed as a layer,
# and such marks in a layer of an image could lead elsewhere: they are neither made nor followed.
_OPTIONS: Final = ("redirect_dir=nofollow", "index=off", "metacopy=off")
# Only files are read and written through these trees: no device of an image is opened, nothing executed.
_ATTRIBUTES: Final = mounts_api.MOUNT_ATTR_NODEV | mounts_api.MOUNT_ATTR_NOSUID | mounts_api.MOUNT_ATTR_NOEXEC
# overlayfs stacks 500 directories (OVL_MAX_STACK); some are the engine's own
MOST_LAYERS: Final = 490
_FSCONFIG_STRING: Final = 255
_AT_FDCWD: Final = -100
# What older kernels answer to `lowerdir+` (before 6.8), and to attaching to a detached tree (before 6.15).
_OLD_KERNEL: Final = (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS)


def overlay_mount(destination: str, lower: Sequence[str], upper: tuple[str, str] | None = None) -> Mount:
    """An overlay as an entry of config.json.

    Args:
        lower: directories, top first; without `upper` at least two (a rule of the kernel).
        upper: (upper directory, work directory); None for a read-only mount.
    """
    options = [f"lowerdir+={directory}" for directory in lower]
    if upper is None:
        options.append("ro")
    else:
        options += [f"upperdir={upper[0]}", f"workdir={upper[1]}"]
    return Mount(destination=destination, type="overlay", source="overlay", options=[*options, *_OPTIONS])


@contextmanager
def assembled(mounts: Sequence[Mount], place: Path) -> Iterator[int]:
    """A descriptor of the root directory of the tree that these overlays make; the first is `/`, the rest below it.

    Args:
        place: an empty directory, which only old kernels need.

    Raises:
        SystemFailure: the kernel refused.
    """
    try:
        try:
            tree = _attached(mounts)
        except OSError as error:
            if error.errno not in _OLD_KERNEL:
                raise
            tree = in_own_mounts(lambda: _mounted_and_cloned(mounts, str(place)))
    except OSError as error:
        raise SystemFailure(f"cannot assemble the root file system: {error.strerror}") from error
    try:
        root = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=tree)
        try:
            yield root
        finally:
            os.close(root)
    finally:
        os.close(tree)


def _attached(mounts: Sequence[Mount]) -> int:
    tree = new_overlay(mounts[0])
    try:
        for mount in mounts[1:]:
            extra = new_overlay(mount)
            try:
                target = open_in_root(tree, mount.destination)
                try:
                    mounts_api.move_mount(extra, target)
                finally:
                    os.close(target)
            finally:
                os.close(extra)
    except BaseException:
        os.close(tree)
        raise
    return tree


def new_overlay(mount: Mount) -> int:
    """A descriptor of a detached mount. Raises OSError; EINVAL where the kernel doesn't know `lowerdir+`."""
    with ExitStack() as stack:
        context = mounts_api.fsopen("overlay")
        stack.callback(os.close, context)
        attributes = _ATTRIBUTES
        mounts_api.fsconfig_string(context, "source", mount.source or "overlay")
        for option in mount.options or ():
            key, equals, value = option.partition("=")
            if len(value) > _FSCONFIG_STRING:  # the kernel takes no longer strings, but follows a short one
                descriptor = os.open(value, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
                stack.callback(os.close, descriptor)
                value = path_of(descriptor)
            if equals:
                mounts_api.fsconfig_string(context, key, value)
            elif key == "ro":
                attributes |= mounts_api.MOUNT_ATTR_RDONLY
        mounts_api.fsconfig_create(context)
        return mounts_api.fsmount(context, attributes)


def _mounted_and_cloned(mounts: Sequence[Mount], place: str) -> int:
    """Runs in a thread with mounts and a working directory of its own."""
    flags = mounts_api.MS_NODEV | mounts_api.MS_NOSUID | mounts_api.MS_NOEXEC
    for number, mount in enumerate(mounts):
        with ExitStack() as stack:
            target = os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, target)
            if number:
                target = open_in_root(target, mount.destination)
                stack.callback(os.close, target)
            overlay.mount_on(target, mount.options or (), flags)
    return mounts_api.open_tree(_AT_FDCWD, place, mounts_api.OPEN_TREE_CLONE | mounts_api.AT_RECURSIVE)
