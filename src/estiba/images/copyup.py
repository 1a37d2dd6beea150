"""Copy one entry, or a directory's attributes, from the layers below into the layer that is being made."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from estiba.images.extract import may_set
from estiba.linux import xattr
from estiba.linux.files import copy_data

if TYPE_CHECKING:
    from collections.abc import Mapping


def copy_attributes(source: int, target: int) -> os.stat_result:
    """Owner, mode and extended attributes from one open file or directory to another; the source's stat."""
    found = os.fstat(source)
    os.fchown(target, found.st_uid, found.st_gid)
    os.fchmod(target, stat.S_IMODE(found.st_mode))
    _set_all(target, xattr.read_all(source))
    return found


def copy_entry(source: int, target: int, name: bytes) -> None:
    """Copy `name`, which is no directory, from one directory descriptor to another, with all that belongs to it."""
    found = os.stat(name, dir_fd=source, follow_symlinks=False)
    if stat.S_ISREG(found.st_mode):
        _copy_file(source, target, name)
    else:
        if stat.S_ISLNK(found.st_mode):
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
        else:
            os.mknod(name, found.st_mode, found.st_rdev, dir_fd=target)
        os.chown(name, found.st_uid, found.st_gid, dir_fd=target, follow_symlinks=False)
        if not stat.S_ISLNK(found.st_mode):
            os.chmod(name, stat.S_IMODE(found.st_mode), dir_fd=target)
        for attribute, value in xattr.read_all_at(source, name).items():
            if may_set(attribute):
                xattr.set_at(target, name, attribute, value)
    os.utime(name, ns=(found.st_mtime_ns, found.st_mtime_ns), dir_fd=target, follow_symlinks=False)


def _copy_file(source: int, target: int, name: bytes) -> None:
    reading = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=source)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        writing = os.open(name, flags, 0o600, dir_fd=target)
        try:
            copy_data(reading, writing, os.fstat(reading).st_size)
            copy_attributes(reading, writing)
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def _set_all(target: int, attributes: Mapping[bytes, bytes]) -> None:
    for attribute, value in attributes.items():
        if may_set(attribute):
            os.setxattr(target, attribute, value)
