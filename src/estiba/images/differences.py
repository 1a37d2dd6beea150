"""What a container changed in its root: `docker diff`.

Docker compares the whole tree with that of the image. Only what is in overlayfs's upper directory can differ, so this
walks that and looks each name up in a view of the layers below. A file copied up and left alone is no change, and a
directory is one only if something in it, or its mode or owner, is.
"""

from __future__ import annotations

import enum
import errno
import os
import stat
from typing import Final

import msgspec

from estiba.images.unpack import OPAQUE_XATTR, is_whiteout
from estiba.linux import xattr
from estiba.linux.directories import DirectoryCache

_CAPABILITY: Final = "security.capability"
_ABSENT: Final = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


class ChangeKind(enum.IntEnum):
    """The numbers of Docker's API."""

    MODIFIED = 0
    ADDED = 1
    DELETED = 2


class Change(msgspec.Struct, frozen=True, order=True):
    """One changed path, absolute in the container; bytes that are not UTF-8 are replaced by U+FFFD."""

    path: str
    kind: ChangeKind


def diff_upper(upper: int, lower: int, *, below: str = "") -> list[Change]:
    """The changes that overlayfs's upper directory makes to the tree `lower` (a view of the layers below), by path.

    Args:
        upper, lower: directory descriptors.
        below: where in the container the two are, "" for its root, else like "/usr".
    """
    with DirectoryCache(upper) as uppers, DirectoryCache(lower) as lowers:
        found = _Differences(uppers, lowers).run()
    return sorted(Change(below + "/" + path.decode("utf-8", "replace"), kind) for path, kind in found.items() if path)


class _Differences:
    def __init__(self, uppers: DirectoryCache, lowers: DirectoryCache) -> None:
        self._uppers = uppers
        self._lowers = lowers
        self._found: dict[bytes, ChangeKind] = {}

    def run(self) -> dict[bytes, ChangeKind]:
        stack = [(b"", True)]  # directory, whether there is one below it
        while stack:
            path, both = stack.pop()
            descriptor = self._uppers.get(path)
            with os.scandir(descriptor) as entries:
                names = [os.fsencode(entry.name) for entry in entries]
            for name in names:
                below = path + b"/" + name if path else name
                descend = self._compare(below, name, descriptor, path if both else None)
                if descend is not None:
                    stack.append((below, descend))
            if both and path and xattr.get(descriptor, OPAQUE_XATTR) == b"y":
                self._hidden(path, set(names))
        self._add_parents()
        return self._found

    def _compare(self, path: bytes, name: bytes, upper: int, lower: bytes | None) -> bool | None:
        """Note what happened to one name. For a directory: whether there is one below it, else None."""
        new = os.stat(name, dir_fd=upper, follow_symlinks=False)
        old = None if lower is None else self._lower(lower, name)
        if is_whiteout(new):
            if old is not None:
                self._found[path] = ChangeKind.DELETED
            return None
        if old is None:
            self._found[path] = ChangeKind.ADDED
            return False if stat.S_ISDIR(new.st_mode) else None
        if _differ(old, new) or self._capability(self._lowers, lower or b"", name) != self._capability(
            self._uppers, path.rpartition(b"/")[0], name
        ):
            self._found[path] = ChangeKind.MODIFIED
        return stat.S_ISDIR(old.st_mode) if stat.S_ISDIR(new.st_mode) else None

    def _lower(self, path: bytes, name: bytes) -> os.stat_result | None:
        try:
            return os.stat(name, dir_fd=self._lowers.get(path), follow_symlinks=False)
        except OSError as error:
            if error.errno in _ABSENT:
                return None
            raise

    def _hidden(self, path: bytes, names: set[bytes]) -> None:
        """What the directory below has and the one above hides by being opaque."""
        with os.scandir(self._lowers.get(path)) as entries:
            for entry in entries:
                name = os.fsencode(entry.name)
                if name not in names:
                    self._found[path + b"/" + name] = ChangeKind.DELETED

    def _capability(self, cache: DirectoryCache, path: bytes, name: bytes) -> bytes | None:
        return xattr.get_at(cache.get(path), name, _CAPABILITY)

    def _add_parents(self) -> None:
        for path in list(self._found):
            while (path := path.rpartition(b"/")[0]) and path not in self._found:
                self._found[path] = ChangeKind.MODIFIED


def _differ(old: os.stat_result, new: os.stat_result) -> bool:
    """Docker's comparison: size and time don't count for directories, and a time without fraction equals one with."""
    if (old.st_mode, old.st_uid, old.st_gid, old.st_rdev) != (new.st_mode, new.st_uid, new.st_gid, new.st_rdev):
        return True
    if stat.S_ISDIR(new.st_mode):
        return False
    return old.st_size != new.st_size or not _same_time(old.st_mtime_ns, new.st_mtime_ns)


def _same_time(one: int, other: int) -> bool:
    if one == other:
        return True
    (seconds, fraction), (other_seconds, other_fraction) = divmod(one, 10**9), divmod(other, 10**9)
    return seconds == other_seconds and (not fraction or not other_fraction)
