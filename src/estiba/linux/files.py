"""Work on files by descriptor that the standard library does by path or by recursion, or not at all."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import stat
import struct
import sys
from typing import TYPE_CHECKING, Final

from estiba.linux.directories import OPEN_DIRECTORY, DirectoryCache
from estiba.linux.libc import LIBC, failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# <linux/fs.h>, ioctl_iflags(2)
_FS_IOC_SETFLAGS: Final = 0x40086602
_COPY_BLOCK: Final = 1 << 24
# <linux/stat.h>, <linux/fcntl.h>
_STATX_ATTR_MOUNT_ROOT: Final = 0x2000
_AT_SYMLINK_NOFOLLOW: Final = 0x100


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """write(2) until everything is written."""
    written = os.write(descriptor, data)
    if written == len(data):
        return
    rest = memoryview(data)[written:]
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def data_extents(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """(offset, length) of the parts of a file that are not holes, in order: lseek(2) SEEK_DATA and SEEK_HOLE.

    A file system that doesn't know holes reports one extent.
    """
    position = 0
    while position < size:
        try:
            start = os.lseek(descriptor, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return
        if start >= size:
            return
        end = min(os.lseek(descriptor, start, os.SEEK_HOLE), size)
        yield start, end - start
        position = end


def copy_data(source: int, target: int, size: int) -> None:
    """Copy a regular file's first `size` bytes into an empty file, holes as holes."""
    os.ftruncate(target, size)
    for start, length in data_extents(source, size):
        os.lseek(target, start, os.SEEK_SET)
        while length:
            sent = os.sendfile(target, source, start, min(length, _COPY_BLOCK))
            if not sent:
                return
            start += sent
            length -= sent


def tree_size(root: int) -> int:
    """Bytes of everything below a directory that is no directory: lengths, a file with several names once."""
    total = 0
    counted: set[tuple[int, int]] = set()
    with DirectoryCache(root) as cache:
        stack = [b""]
        while stack:
            path = stack.pop()
            prefix = path + b"/" if path else b""
            with os.scandir(cache.get(path)) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        stack.append(prefix + os.fsencode(entry.name))
                        continue
                    found = entry.stat(follow_symlinks=False)
                    if found.st_nlink == 1 or (found.st_dev, found.st_ino) not in counted:
                        counted.add((found.st_dev, found.st_ino))
                        total += found.st_size
    return total


def is_mount_root(directory: int, name: bytes) -> bool:
    """Whether something is mounted at the directory's entry, in the mount namespace the descriptor comes from.

    statx(2), STATX_ATTR_MOUNT_ROOT of Linux 5.8.
    """
    buffer = ctypes.create_string_buffer(256)
    if LIBC.statx(ctypes.c_int(directory), name, ctypes.c_int(_AT_SYMLINK_NOFOLLOW), ctypes.c_uint(0), buffer) == -1:
        raise failure(name)
    attributes = int.from_bytes(buffer.raw[8:16], sys.byteorder)
    return bool(attributes & _STATX_ATTR_MOUNT_ROOT)


def refuse_mount_root(directory: int, name: bytes) -> None:
    """Raise OSError EBUSY where something is mounted at the directory's entry.

    The kernel protects only mount points of the caller's own namespace; removing one of another detaches it there.
    """
    if is_mount_root(directory, name):
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), name)


def remove_tree(
    directory: int,
    name: bytes,
    *,
    stopped: Callable[[], bool] = lambda: False,
    check: Callable[[int, bytes], object] = lambda *_: None,
) -> bool:
    """Remove whatever `name` is in the directory descriptor, following nothing; absence is no error.

    Needs no stack and at most 257 descriptors, however deep the tree is; immutable and append-only
    flags are taken off. Returns False when `stopped` ended the work before its end. `check` is called with each
    entry before anything is done to it and raises to end the work.
    """
    try:
        check(directory, name)
        if not stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
            _unlink(directory, name)
            return True
        top = os.open(name, OPEN_DIRECTORY, dir_fd=directory)
    except FileNotFoundError:
        return True
    try:
        with DirectoryCache(top) as cache:
            if not _empty(cache, stopped, check):
                return False
    finally:
        os.close(top)
    _unlink(directory, name, os.rmdir)
    return True


def _empty(cache: DirectoryCache, stopped: Callable[[], bool], check: Callable[[int, bytes], object]) -> bool:
    stack = [b""]
    while stack:
        if stopped():
            return False
        path = stack[-1]
        descriptor = cache.get(path)
        below = _remove_files(descriptor, check)
        if below:
            prefix = path + b"/" if path else b""
            stack.extend(prefix + name for name in below)
            continue
        if path:
            parent, _, name = path.rpartition(b"/")
            cache.forget(path)
            try:
                _unlink(cache.get(parent), name, os.rmdir)
            except OSError as error:
                if error.errno != errno.ENOTEMPTY:  # readdir may miss names while others go: read it again
                    raise
                continue
        stack.pop()
    return True


def _remove_files(descriptor: int, check: Callable[[int, bytes], object]) -> list[bytes]:
    """Unlink what is not a directory; the names of the directories."""
    below = []
    with os.scandir(descriptor) as entries:
        for entry in entries:
            name = os.fsencode(entry.name)
            check(descriptor, name)
            if entry.is_dir(follow_symlinks=False):
                below.append(name)
            else:
                _unlink(descriptor, name)
    return below


def _unlink(directory: int, name: bytes, remove: Callable[..., None] = os.unlink) -> None:
    try:
        remove(name, dir_fd=directory)
    except FileNotFoundError:
        pass
    except PermissionError:
        _clear_flags(directory, name)
        remove(name, dir_fd=directory)


def _clear_flags(directory: int, name: bytes) -> None:
    """chattr -ia of the entry and of the directory that holds it."""
    flags = struct.pack("l", 0)
    fcntl.ioctl(directory, _FS_IOC_SETFLAGS, flags)
    if stat.S_IFMT(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode) in (stat.S_IFREG, stat.S_IFDIR):
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
        try:
            fcntl.ioctl(descriptor, _FS_IOC_SETFLAGS, flags)
        finally:
            os.close(descriptor)
