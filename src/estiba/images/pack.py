"""A tree becomes an archive: a whole root (export), a path of a container (cp), the writable layer (commit).

The tree may belong to a running, hostile container that swaps files for links and devices meanwhile. So every name
is opened without following it, what was opened is looked at, and only that is read; a device is never opened.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Final

from estiba.errors import InvalidArgument
from estiba.images.extract import may_set
from estiba.images.tar import BLOCK, Entry, Kind, shown
from estiba.images.tarwriter import TarWriter
from estiba.images.unpack import OPAQUE, OPAQUE_XATTR, WHITEOUT, is_whiteout
from estiba.linux import xattr
from estiba.linux.directories import OPEN_DIRECTORY, DirectoryCache
from estiba.linux.files import data_extents
from estiba.linux.openat2 import open_in_root

if TYPE_CHECKING:
    from collections.abc import Callable

    Write = Callable[[bytes | memoryview], object]

_LOOK: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_READ: Final = 1 << 20
# Holes of this size are worth a sparse entry, which a few small readers (busybox, tar-stream) don't understand.
_SPARSE: Final = 64 << 20
_SPARSE_EXTENTS: Final = 1 << 12
_GONE: Final = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE)
_KINDS: Final = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFCHR: Kind.CHARACTER,
    stat.S_IFBLK: Kind.BLOCK,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFIFO: Kind.FIFO,
}


def pack_tree(root: int, write: Write) -> None:
    """Archive everything below the directory descriptor `root`, names relative to it ("etc/passwd").

    The root itself is an entry ("./") only where it isn't an ordinary directory (0755 of root:root).

    Raises:
        whatever `write` raises, and OSError from reading.
    """
    packer = _Packer(root, write)
    found = os.fstat(root)
    if (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) != (0o755, 0, 0):
        packer.directory(b"", root)
    packer.walk()
    packer.finish()


def pack_path(root: int, path: str, write: Write, name: bytes | None = None) -> None:
    """Archive one path of a container, with everything below it, as `docker cp` wants it.

    `path` is resolved as the container would do it; a link at its end is archived itself unless a slash or `/.`
    follows. The top entry is called `name`, by default as in the path: "etc" for /etc and /etc/, "." for /etc/. and
    "/" for /.

    Raises:
        FileNotFoundError, NotADirectoryError: with the path as filename.
    """
    top = top_name(path) if name is None else name
    descriptor = open_path(root, path)
    try:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            opened = os.open(".", OPEN_DIRECTORY, dir_fd=descriptor)
            try:
                packer = _Packer(opened, write, top)
                packer.directory(b"", opened)
                packer.walk()
            finally:
                os.close(opened)
        else:
            packer = _Packer(-1, write, top)
            packer.other(b"", descriptor)
        packer.finish()
    finally:
        os.close(descriptor)


def pack_upper(upper: int, write: Write) -> None:
    """Archive overlayfs's upper directory as an OCI layer: whiteouts and opaque directories become `.wh.` entries.

    Raises:
        InvalidArgument: a file in it has a name that the image format reserves for whiteouts.
    """
    packer = _UpperPacker(upper, write)
    if not _is_untouched(upper):
        packer.directory(b"", upper)
    packer.walk()
    packer.finish()


def _is_untouched(upper: int) -> bool:
    """Whether it is as it was made: a container that changed nothing makes no layer."""
    found = os.fstat(upper)
    plain = (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o755, 0, 0)
    return plain and not os.listdir(upper) and not _kept(xattr.read_all(upper))


def top_name(path: str) -> bytes:
    """What the top entry of an archive of `path` is called: its last component, "." or "/"."""
    parts = [part for part in os.fsencode(path).split(b"/") if part]
    return parts[-1] if parts else b"/"


def open_path(root: int, path: str) -> int:
    """An O_PATH descriptor of a container's path: links on the way are followed inside `root`, one at its end isn't.

    With a slash or `/.` at its end the path is that of a directory, and a link is followed.
    """
    name = os.fsencode(path)
    if not name.strip(b"/") or name.endswith((b"/", b"/.", b"/..")) or name in (b".", b".."):
        return open_in_root(root, name, os.O_PATH | os.O_DIRECTORY)
    return open_in_root(root, name, _LOOK)


class _Packer:
    """Walks a tree in order of names and writes what it finds."""

    def __init__(self, root: int, write: Write, top: bytes = b"") -> None:
        self._root = root
        self._tar = TarWriter(write)
        self._top = top
        self._links: dict[tuple[int, int], bytes] = {}

    def finish(self) -> None:
        self._tar.finish()

    def walk(self) -> None:
        """Everything below the root, without recursion."""
        with DirectoryCache(self._root) as cache:
            stack = [(b"", iter(_children(self._root)))]
            while stack:
                path, children = stack[-1]
                child = next(children, None)
                if child is None:
                    stack.pop()
                    continue
                name = child.rstrip(b"/")
                below = path + b"/" + name if path else name
                try:
                    descriptor = self._open(cache.get(path), name, child is not name)
                except OSError as error:
                    if error.errno in _GONE:  # removed while we walk
                        continue
                    raise
                if descriptor is None:
                    continue
                if child is not name:
                    cache.put(below, descriptor)
                    self.directory(below, descriptor)
                    stack.append((below, iter(_children(descriptor))))
                    continue
                try:
                    self.other(below, descriptor)
                finally:
                    os.close(descriptor)

    def _open(self, parent: int, name: bytes, is_directory: bool) -> int | None:
        if is_directory:
            return os.open(name, OPEN_DIRECTORY, dir_fd=parent)
        descriptor = os.open(name, _LOOK, dir_fd=parent)
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):  # it was something else when the directory was read
            os.close(descriptor)
            return None
        return descriptor

    def name(self, path: bytes) -> bytes:
        """How a path is called in the archive."""
        if not self._top:
            return path or b"."
        if not path:
            return self._top
        return self._top.rstrip(b"/") + b"/" + path

    def directory(self, path: bytes, descriptor: int) -> None:
        """Write the entry of a directory."""
        found = os.fstat(descriptor)
        name = self.name(path).rstrip(b"/") + b"/"
        self._tar.add(_entry(name, Kind.DIRECTORY, found, _kept(xattr.read_all(descriptor))))

    def other(self, path: bytes, descriptor: int) -> None:
        """Write the entry of what is no directory, given by an O_PATH descriptor of it."""
        found = os.fstat(descriptor)
        kind = _KINDS.get(stat.S_IFMT(found.st_mode))
        if kind is None:
            return  # a socket lives as long as its process
        name = self.name(path)
        if found.st_nlink > 1:
            first = self._links.setdefault((found.st_dev, found.st_ino), name)
            if first is not name:
                self._tar.add(_entry(name, Kind.HARDLINK, found, None, link=first))
                return
        if kind is Kind.FILE:
            self._file(name, descriptor)
        elif kind is Kind.SYMLINK:
            target = os.fsencode(os.readlink(b"", dir_fd=descriptor))
            self._tar.add(_entry(name, kind, found, _kept(_special_xattrs(descriptor)), link=target))
        else:
            device = (os.major(found.st_rdev), os.minor(found.st_rdev)) if kind is not Kind.FIFO else (0, 0)
            self._tar.add(_entry(name, kind, found, _kept(_special_xattrs(descriptor)), device=device))

    def _file(self, name: bytes, looked_at: int) -> None:
        # the very inode that was looked at, which is a regular file
        descriptor = os.open(xattr.path_of(looked_at), os.O_RDONLY | os.O_CLOEXEC)
        try:
            found = os.fstat(descriptor)
            extents = _sparse_extents(descriptor, found)
            attributes = _kept(xattr.read_all(descriptor))
            self._tar.add(_entry(name, Kind.FILE, found, attributes, size=found.st_size, extents=extents))
            if extents is None:
                self._content(descriptor, 0, found.st_size)
            else:
                for index in range(0, len(extents), 2):
                    self._content(descriptor, extents[index], extents[index + 1])
        finally:
            os.close(descriptor)

    def _content(self, descriptor: int, offset: int, size: int) -> None:
        """Write a part of a file; zeros where it has become shorter since its size was written."""
        while size:
            piece = os.pread(descriptor, min(size, _READ), offset) or bytes(min(size, _READ))
            self._tar.data(piece)
            offset += len(piece)
            size -= len(piece)


class _UpperPacker(_Packer):
    """Writes overlayfs's marks as the image format's."""

    def directory(self, path: bytes, descriptor: int) -> None:
        _refuse_reserved(path)
        super().directory(path, descriptor)
        if xattr.get(descriptor, OPAQUE_XATTR) == b"y":
            found = os.fstat(descriptor)
            mark = path + b"/" + OPAQUE if path else OPAQUE
            self._tar.add(Entry(mark, Kind.FILE, 0o600, mtime=found.st_mtime_ns))

    def other(self, path: bytes, descriptor: int) -> None:
        _refuse_reserved(path)
        found = os.fstat(descriptor)
        if not is_whiteout(found):
            super().other(path, descriptor)
            return
        above, name = os.path.split(path)
        hidden = above + b"/" + WHITEOUT + name if above else WHITEOUT + name
        self._tar.add(Entry(hidden, Kind.FILE, 0o600, mtime=found.st_mtime_ns))


def _refuse_reserved(path: bytes) -> None:
    if path.rpartition(b"/")[2].startswith(WHITEOUT):
        raise InvalidArgument(
            f"cannot make a layer of {shown(path)}: the image format reserves names that begin with .wh. for removed "
            "files; rename it and try again"
        )


def _children(descriptor: int) -> list[bytes]:
    """Names in order, those of directories with a slash at their end (a million must fit into memory)."""
    with os.scandir(descriptor) as entries:
        names = [os.fsencode(entry.name) + (b"/" if entry.is_dir(follow_symlinks=False) else b"") for entry in entries]
    names.sort()
    return names


def _entry(
    name: bytes,
    kind: Kind,
    found: os.stat_result,
    xattrs: dict[bytes, bytes] | None,
    *,
    size: int = 0,
    link: bytes = b"",
    device: tuple[int, int] = (0, 0),
    extents: tuple[int, ...] | None = None,
) -> Entry:
    mode = stat.S_IMODE(found.st_mode)
    return Entry(name, kind, mode, found.st_uid, found.st_gid, size, found.st_mtime_ns, link, device, xattrs, extents)


def _kept(attributes: dict[bytes, bytes]) -> dict[bytes, bytes] | None:
    return {name: value for name, value in attributes.items() if may_set(name)} or None


def _special_xattrs(descriptor: int) -> dict[bytes, bytes]:
    """Attributes of a link, device or fifo held by an O_PATH descriptor."""
    return xattr.read_all(xattr.path_of(descriptor))


def _sparse_extents(descriptor: int, found: os.stat_result) -> tuple[int, ...] | None:
    """The map of a file with large holes, None for one that is written as it reads."""
    if found.st_size - 512 * found.st_blocks < _SPARSE:
        return None
    numbers: list[int] = []
    for offset, length in data_extents(descriptor, found.st_size):
        numbers += (offset, length)
        aligned = length % BLOCK == 0 or offset + length == found.st_size  # GNU tar reads nothing else
        if len(numbers) > 2 * _SPARSE_EXTENTS or not aligned:
            return None
    return (*numbers, found.st_size, 0)  # an empty part says where the file ends, as GNU tar wants it
