"""The first use of an empty volume: it gets a copy of what the image has at that place.

The copy is made beside the volume's directory and moved in entry by entry when it is whole, so a crash leaves either
nothing or a move that recover() finishes:

    _copying      being made: removed by recover()
    _copied       whole: its entries are being renamed into _data, recover() goes on with that
    _data         what containers see

Everything is reached by descriptors from two directories, never through a link: the image's content cannot lead the
copy out of either.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from estiba.linux import xattr
from estiba.linux.directories import OPEN_DIRECTORY, DirectoryCache
from estiba.linux.files import copy_data, remove_tree

if TYPE_CHECKING:
    from pathlib import Path

_COPYING, _COPIED = b"_copying", b"_copied"
_OVERLAY = (b"trusted.overlay.", b"user.overlay.")


def fill(source: int, data: Path) -> bool:
    """Copy the directory `source` (an open descriptor) into the directory `data`, when that is empty.

    Owner, mode and attributes of the directory itself are taken over too, also when the source is empty.
    Returns whether it was empty. Raises OSError; nothing half-made stays then.
    """
    parent = os.open(data.parent, OPEN_DIRECTORY)
    try:
        with os.scandir(data) as entries:
            if next(entries, None) is not None:
                return False
        remove_tree(parent, _COPYING)
        os.mkdir(_COPYING, 0o700, dir_fd=parent)
        copying = os.open(_COPYING, OPEN_DIRECTORY, dir_fd=parent)
        try:
            copy_up(source, copying)
        except BaseException:
            remove_tree(parent, _COPYING)
            raise
        finally:
            os.close(copying)
        os.rename(_COPYING, _COPIED, src_dir_fd=parent, dst_dir_fd=parent)
        _move_in(parent, os.fsencode(data.name))
    finally:
        os.close(parent)
    return True


def recover(data: Path) -> None:
    """Finish or undo a fill() that a crash interrupted."""
    parent = os.open(data.parent, OPEN_DIRECTORY)
    try:
        remove_tree(parent, _COPYING)
        if (data.parent / os.fsdecode(_COPIED)).exists():
            _move_in(parent, os.fsencode(data.name))
    finally:
        os.close(parent)


def _move_in(parent: int, data_name: bytes) -> None:
    copied = os.open(_COPIED, OPEN_DIRECTORY, dir_fd=parent)
    try:
        data = os.open(data_name, OPEN_DIRECTORY, dir_fd=parent)
        try:
            times = os.fstat(copied)  # before the renames change them
            taken = set(os.listdir(data))  # a container that runs on the volume may have written first: it wins
            for name in os.listdir(copied):
                if name not in taken:
                    os.rename(name, name, src_dir_fd=copied, dst_dir_fd=data)
            _copy_status(copied, data)
            os.utime(data, ns=(times.st_atime_ns, times.st_mtime_ns))
        finally:
            os.close(data)
    finally:
        os.close(copied)
    remove_tree(parent, _COPIED)


def copy_up(source: int, target: int) -> None:
    """Copy everything below the directory descriptor `source` into the empty directory `target`, and its own status.

    Kept: kinds, owners, modes, times, attributes (file capabilities), hard links, holes. Raises OSError.
    """
    with DirectoryCache(source, 128) as sources, DirectoryCache(target, 128) as targets:
        directories, links = [b""], dict[tuple[int, int], bytes]()
        for path in directories:  # grows while it is walked: parents before children
            directories += _copy_entries(path, sources, targets, links)
        for path in reversed(directories):  # times last, from the bottom: making entries changes them
            _copy_status(sources.get(path), targets.get(path))


def _copy_entries(
    path: bytes, sources: DirectoryCache, targets: DirectoryCache, links: dict[tuple[int, int], bytes]
) -> list[bytes]:
    source, target = sources.get(path), targets.get(path)
    below = []
    for text in os.listdir(source):
        name = os.fsencode(text)
        full = path + b"/" + name if path else name
        status = os.stat(name, dir_fd=source, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            os.mkdir(name, 0o700, dir_fd=target)
            below.append(full)
            continue
        if status.st_nlink > 1:
            first = links.setdefault((status.st_dev, status.st_ino), full)
            if first != full:
                directory, _, first_name = first.rpartition(b"/")
                os.link(first_name, name, src_dir_fd=targets.get(directory), dst_dir_fd=target, follow_symlinks=False)
                continue
        _copy_entry(name, status, source, target)
    return below


def _copy_entry(name: bytes, status: os.stat_result, source: int, target: int) -> None:
    if stat.S_ISREG(status.st_mode):
        _copy_file(name, source, target)
        return
    if stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
    else:
        os.mknod(name, status.st_mode, status.st_rdev, dir_fd=target)
    os.chown(name, status.st_uid, status.st_gid, dir_fd=target, follow_symlinks=False)
    if not stat.S_ISLNK(status.st_mode):
        os.chmod(name, stat.S_IMODE(status.st_mode), dir_fd=target)
    for attribute, value in xattr.read_all_at(source, name).items():
        if not attribute.startswith(_OVERLAY):
            xattr.set_at(target, name, attribute, value)
    os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=target, follow_symlinks=False)


def _copy_file(name: bytes, source: int, target: int) -> None:
    reading = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=source)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        writing = os.open(name, flags, 0o600, dir_fd=target)
        try:
            copy_data(reading, writing, os.fstat(reading).st_size)
            _copy_status(reading, writing)
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def _copy_status(source: int, target: int) -> None:
    """Owner, then mode (chown clears set-id), attributes (chown clears capabilities), times."""
    status = os.fstat(source)
    os.fchown(target, status.st_uid, status.st_gid)
    os.fchmod(target, stat.S_IMODE(status.st_mode))
    for attribute, value in xattr.read_all(source).items():
        if not attribute.startswith(_OVERLAY):
            os.setxattr(target, attribute, value)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
