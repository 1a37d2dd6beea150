"""The layer between an image and a container's writable one: the places on which the runtime mounts, and /.dockerenv.

One per stack of layers, shared by all its containers, so that none of this shows as a container's change. Directories
that the image has keep their owner, mode and times.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from estiba.linux.openat2 import RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, openat2

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class _Place:
    path: str
    kind: str  # directory, file or link
    target: str = ""


PLACES = (
    _Place("dev", "directory"),
    _Place("dev/pts", "directory"),
    _Place("dev/shm", "directory"),
    _Place("dev/console", "file"),
    _Place("proc", "directory"),
    _Place("sys", "directory"),
    _Place(".dockerenv", "file"),
    _Place("etc", "directory"),
    _Place("etc/hosts", "file"),
    _Place("etc/hostname", "file"),
    _Place("etc/resolv.conf", "file"),
    _Place("etc/mtab", "link", "/proc/mounts"),
)


def init_key(chain_ids: Sequence[str]) -> str:
    """The key of the layer for this stack."""
    return f"init:{chain_ids[-1] if chain_ids else 'scratch'}"


def fill(directory: int, image: int | None) -> None:
    """Make the places in an empty layer's directory, given the image's root (descriptors; None: it has no layer)."""
    if image is None:
        for place in PLACES:
            _make(directory, directory, place)
        return
    for place in PLACES:
        _make(directory, image, place)
    for place in reversed(PLACES):
        existing = _status(image, place.path)
        if place.kind == "directory" and existing is not None and _status(directory, place.path) is not None:
            os.utime(place.path, ns=(existing.st_atime_ns, existing.st_mtime_ns), dir_fd=directory)
    root = os.fstat(image)
    os.fchown(directory, root.st_uid, root.st_gid)
    os.fchmod(directory, stat.S_IMODE(root.st_mode))
    os.utime(directory, ns=(root.st_atime_ns, root.st_mtime_ns))


def _make(directory: int, root: int, place: _Place) -> None:
    parent = place.path.rpartition("/")[0]
    existing = _status(root, place.path)
    if existing is not None and (place.kind != "directory" or not stat.S_ISDIR(existing.st_mode)):
        return
    if parent and (_status(directory, parent) is None):
        return  # the image has something else where the directory should be: the launch will say so
    if place.kind == "link":
        os.symlink(place.target, place.path, dir_fd=directory)
    elif place.kind == "file":
        os.close(os.open(place.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o755, dir_fd=directory))
        os.chmod(place.path, 0o755, dir_fd=directory)
    else:
        os.mkdir(place.path, 0o755, dir_fd=directory)
        if existing is not None:
            os.chown(place.path, existing.st_uid, existing.st_gid, dir_fd=directory)
            os.chmod(place.path, stat.S_IMODE(existing.st_mode), dir_fd=directory)


def _status(root: int, path: str) -> os.stat_result | None:
    """What is there, a link itself; None when there is nothing, or a parent that is no directory."""
    parent, _, name = path.rpartition("/")
    try:
        directory = openat2(
            root, parent or ".", os.O_PATH | os.O_DIRECTORY, resolve=RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS
        )
    except OSError:
        return None
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False)
    except OSError:
        return None
    finally:
        os.close(directory)
