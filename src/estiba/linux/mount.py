"""Mounts: mount(2), umount2(2) and the descriptor-based calls of Linux 5.2 and later, each an OSError with its path.

    context = fsopen("overlay")  →  fsconfig_string(context, …)  →  fsconfig_create(context)  →  tree = fsmount(context)
    tree = open_tree(…)          →  mount_setattr(tree, …)       →  move_mount(tree, directory)

A tree that was never attached vanishes with its last descriptor, so a killed process leaves no mount behind.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from estiba.linux.libc import LIBC, failure, syscall

if TYPE_CHECKING:
    from collections.abc import Iterator

# <sys/mount.h>
MS_RDONLY: Final = 0x1
MS_NOSUID: Final = 0x2
MS_NODEV: Final = 0x4
MS_NOEXEC: Final = 0x8
MS_REMOUNT: Final = 0x20
MS_BIND: Final = 0x1000
MS_MOVE: Final = 0x2000
MS_REC: Final = 0x4000
MS_UNBINDABLE: Final = 1 << 17
MS_PRIVATE: Final = 1 << 18
MS_SLAVE: Final = 1 << 19
MS_SHARED: Final = 1 << 20
MNT_DETACH: Final = 2

# <linux/mount.h>
MOUNT_ATTR_RDONLY: Final = 0x1
MOUNT_ATTR_NOSUID: Final = 0x2
MOUNT_ATTR_NODEV: Final = 0x4
MOUNT_ATTR_NOEXEC: Final = 0x8
OPEN_TREE_CLONE: Final = 1
OPEN_TREE_CLOEXEC: Final = os.O_CLOEXEC
AT_RECURSIVE: Final = 0x8000
AT_EMPTY_PATH: Final = 0x1000
AT_SYMLINK_NOFOLLOW: Final = 0x100
MOVE_MOUNT_F_EMPTY_PATH: Final = 0x4
MOVE_MOUNT_T_EMPTY_PATH: Final = 0x40

_NR_OPEN_TREE: Final = 428
_NR_MOVE_MOUNT: Final = 429
_NR_FSOPEN: Final = 430
_NR_FSCONFIG: Final = 431
_NR_FSMOUNT: Final = 432
_NR_MOUNT_SETATTR: Final = 442
_FSOPEN_CLOEXEC: Final = 1
_FSMOUNT_CLOEXEC: Final = 1
_FSCONFIG_SET_FLAG: Final = 0
_FSCONFIG_SET_STRING: Final = 1
_FSCONFIG_CMD_CREATE: Final = 6
_MOUNT_ATTR: Final = struct.Struct("QQQQ")

CLONE_NEWNS: Final = 0x20000


def mount(source: str, target: str, fstype: str | None, flags: int = 0, data: str | None = None) -> None:
    """mount(2). Raises OSError with the target as its filename."""
    arguments = (os.fsencode(source), os.fsencode(target), fstype and fstype.encode(), ctypes.c_ulong(flags))
    if LIBC.mount(*arguments, data and os.fsencode(data)) == -1:
        raise failure(target)


def umount2(target: str, flags: int = 0) -> None:
    """umount2(2). Raises OSError with the target as its filename."""
    if LIBC.umount2(os.fsencode(target), ctypes.c_int(flags)) == -1:
        raise failure(target)


def unshare_mounts() -> None:
    """Give the calling thread a mount namespace of its own; nothing mounted there is seen outside."""
    if LIBC.unshare(ctypes.c_int(CLONE_NEWNS)) == -1:
        raise failure("mount namespace")
    mount("none", "/", None, MS_REC | MS_PRIVATE)


def fsopen(fstype: str) -> int:
    """A descriptor with which a new file system of this type is configured."""
    return syscall(_NR_FSOPEN, fstype.encode(), _FSOPEN_CLOEXEC, path=fstype)


def fsconfig_string(context: int, key: str, value: str) -> None:
    """Set one `key=value` option. On failure the error's text ends with what the kernel logged about it."""
    with _explained(context):
        name = f"{key}={value}"
        syscall(_NR_FSCONFIG, context, _FSCONFIG_SET_STRING, key.encode(), os.fsencode(value), 0, path=name)


def fsconfig_flag(context: int, key: str) -> None:
    """Set one option that has no value."""
    with _explained(context):
        syscall(_NR_FSCONFIG, context, _FSCONFIG_SET_FLAG, key.encode(), None, 0, path=key)


def fsconfig_create(context: int) -> None:
    """Make the file system."""
    with _explained(context):
        syscall(_NR_FSCONFIG, context, _FSCONFIG_CMD_CREATE, None, None, 0)


@contextmanager
def _explained(context: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        log = context_log(context)
        raise OSError(error.errno, f"{error.strerror}: {log}" if log else error.strerror, error.filename) from None


def context_log(context: int) -> str:
    """The messages that the kernel left in the file system context, joined by "; " ("" when there are none)."""
    messages = []
    while True:
        try:
            messages.append(os.read(context, 4096).decode(errors="replace").strip()[2:])
        except OSError as error:
            if error.errno not in (errno.ENODATA, errno.EMSGSIZE):
                raise
            return "; ".join(messages)


def fsmount(context: int, attributes: int = 0) -> int:
    """A descriptor of a detached mount of the file system; MOUNT_ATTR_* restrict it."""
    return syscall(_NR_FSMOUNT, context, _FSMOUNT_CLOEXEC, attributes)


def open_tree(directory: int, path: str, flags: int = OPEN_TREE_CLONE) -> int:
    """A descriptor of the mount at `path`, with OPEN_TREE_CLONE of a detached copy (| AT_RECURSIVE: of all below)."""
    return syscall(_NR_OPEN_TREE, directory, os.fsencode(path), flags | OPEN_TREE_CLOEXEC, path=path)


def move_mount(tree: int, target: int, path: str = "") -> None:
    """Attach the mount `tree` at `path` relative to the descriptor `target` ("": at the descriptor itself)."""
    flags = MOVE_MOUNT_F_EMPTY_PATH | (0 if path else MOVE_MOUNT_T_EMPTY_PATH)
    syscall(_NR_MOVE_MOUNT, tree, b"", target, os.fsencode(path), flags, path=path)


def mount_setattr(
    tree: int, *, enable: int = 0, disable: int = 0, propagation: int = 0, recursive: bool = False
) -> None:
    """Change the MOUNT_ATTR_* and the propagation (MS_*) of the mount `tree` and, if asked, of all below it."""
    attributes = _MOUNT_ATTR.pack(enable, disable, propagation, 0)
    flags = AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0)
    syscall(_NR_MOUNT_SETATTR, tree, b"", flags, attributes, len(attributes), path=f"mount {tree}")
