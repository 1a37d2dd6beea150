"""Extended attributes of anything a descriptor or a (directory, name) pair can point to, links included.

The *xattrat system calls are too young (6.13), and the f* ones refuse O_PATH descriptors; a path through
/proc/self/fd reaches the very same inode on every kernel, also when it is a link: following stops there.
"""

from __future__ import annotations

import errno
import os
from typing import Final

_UNSUPPORTED: Final = (errno.ENOTSUP, errno.ENODATA)


def path_of(descriptor: int) -> str:
    """A path that leads to exactly what the descriptor holds, when it is followed."""
    return f"/proc/self/fd/{descriptor}"


def _path_at(directory: int, name: str | bytes) -> bytes:
    return b"/proc/self/fd/%d/%s" % (directory, os.fsencode(name))


def set_at(directory: int, name: str | bytes, attribute: str | bytes, value: bytes) -> None:
    """Set an attribute of the directory's entry itself: a link is not followed (lsetxattr)."""
    os.setxattr(_path_at(directory, name), attribute, value, follow_symlinks=False)


def get_at(directory: int, name: str | bytes, attribute: str | bytes) -> bytes | None:
    """An attribute of the directory's entry itself, None where there is none."""
    try:
        return os.getxattr(_path_at(directory, name), attribute, follow_symlinks=False)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return None
        raise


def get(target: int | str, attribute: str | bytes) -> bytes | None:
    """An attribute of an open file or directory, or what path_of() leads to; None where there is none."""
    try:
        return os.getxattr(target, attribute)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return None
        raise


def read_all(target: int | str) -> dict[bytes, bytes]:
    """Every attribute, by name, of what an open descriptor holds (O_PATH: by path_of()); {} where there are none."""
    try:
        names = os.listxattr(target)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return {}
        raise
    return {os.fsencode(name): value for name in names if (value := get(target, name)) is not None}


def read_all_at(directory: int, name: str | bytes) -> dict[bytes, bytes]:
    """Every attribute of the directory's entry itself (a link is not followed)."""
    path = _path_at(directory, name)
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return {}
        raise
    found = {}
    for attribute in names:
        value = get_at(directory, name, attribute)
        if value is not None:
            found[os.fsencode(attribute)] = value
    return found
