"""Entries of an archive made on the disk, below one directory descriptor, whatever the archive says.

Rules that hold for every archive (load, import, build context, cp):
- a name is split on `/`; empty components and `.` are dropped (so leading slashes are), `..` and NUL are refused;
- nothing is ever opened or written through what an earlier entry, or somebody else, put there: parents are opened as
  real directories (or resolved inside the root, for cp), files are made with O_EXCL, what was there is unlinked before;
- targets of symbolic links are data, targets of hard links are names like every other;
- owner, mode, attributes and times are set on descriptors, in this order; times of directories come last.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from estiba.errors import EstibaError, InvalidArgument, SystemFailure, Unavailable
from estiba.images.tar import Entry, Kind, bad_entry, shown
from estiba.linux import xattr
from estiba.linux.directories import OPEN_DIRECTORY
from estiba.linux.files import remove_tree, write_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from estiba.images.tarreader import TarReader

_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NOT_A_DIRECTORY: Final = (errno.ENOTDIR, errno.ELOOP)
_SPACE: Final = (errno.ENOSPC, errno.EDQUOT)
_MEANT_BADLY: Final = (
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.ENOTDIR,
    errno.EINVAL,
    errno.EFBIG,
    errno.ENOENT,
    errno.EEXIST,
)
_NODES: Final = {Kind.CHARACTER: stat.S_IFCHR, Kind.BLOCK: stat.S_IFBLK, Kind.FIFO: stat.S_IFIFO}
# What an archive may set. Labels of security modules are the machine's business, trusted.overlay.* is how overlayfs
# is told to look elsewhere: neither is data of an image.
_XATTRS: Final = (b"user.", b"trusted.", b"security.capability", b"system.posix_acl_")
_NEVER: Final = (b"trusted.overlay.", b"user.overlay.")


class Limits(msgspec.Struct, frozen=True):
    """Absolute ceilings for one archive; the free space of the file system is a further one.

    Attributes:
        size: bytes of file content.
        entries: number of entries.
    """

    size: int = 1 << 44
    entries: int = 1 << 25


class Directories(Protocol):
    """Where entries go: how the directory of a path is found (linux.directories.DirectoryCache is one way)."""

    root: int

    def get(self, path: bytes, /) -> int: ...
    def put(self, path: bytes, descriptor: int, /) -> None: ...
    def forget(self, path: bytes, /) -> None: ...


def normalised(name: bytes) -> bytes:
    """An archive's name as a path below the root: b"a/b", b"" for the root itself.

    Raises:
        ValueError: `..` or NUL.
    """
    parts = name.split(b"/")
    if b"" in parts or b"." in parts:
        parts = [part for part in parts if part and part != b"."]
    if b".." in parts:
        raise ValueError('its name contains ".."')
    if b"\0" in name:
        raise ValueError("NUL in its name")
    return b"/".join(parts)


def may_set(attribute: bytes) -> bool:
    """Whether an extended attribute belongs into images and archives."""
    return attribute.startswith(_XATTRS) and not attribute.startswith(_NEVER)


@contextmanager
def naming(entry: Entry) -> Iterator[None]:
    """Turn system errors into sentences that name the entry."""
    try:
        yield
    except OSError as error:
        raise _explained(entry.name, error) from error
    except ValueError as error:
        raise bad_entry(entry.name, str(error)) from None


def _explained(name: bytes, error: OSError) -> EstibaError:
    reason = (error.strerror or str(error)).lower()
    if error.errno in _SPACE:
        return Unavailable(f"cannot unpack {shown(name)}: {reason}; make room and try again")
    if error.errno in _MEANT_BADLY:
        return bad_entry(name, reason)
    return SystemFailure(f"cannot unpack {shown(name)}: {reason}")


class Extractor:
    """Makes entries below `directories`; subclasses decide what layers and containers want differently.

    Attributes:
        size: bytes of the files made.
        entries: number of entries seen.
    """

    def __init__(self, directories: Directories, limits: Limits, *, owner: tuple[int, int] | None = None) -> None:
        self._directories = directories
        self._limits = limits
        self._owner = owner
        self._times: dict[bytes, int] = {}
        self._replaced = False
        space = os.fstatvfs(directories.root)
        self._space = space.f_bfree * space.f_frsize
        self._stored = 0
        self.size = 0
        self.entries = 0
        self._make = {
            Kind.FILE: self._file,
            Kind.DIRECTORY: self._directory,
            Kind.SYMLINK: self._symlink,
            Kind.HARDLINK: self._hardlink,
            Kind.CHARACTER: self._node,
            Kind.BLOCK: self._node,
            Kind.FIFO: self._node,
        }

    def run(self, reader: TarReader) -> None:
        """Make everything that the archive holds, then set the times of the directories."""
        for entry in reader:
            self.entries += 1
            with naming(entry):
                self._bound(entry, reader.stored)
                self.apply(normalised(entry.name), entry, reader)
        self._set_times()

    def apply(self, path: bytes, entry: Entry, reader: TarReader) -> None:
        """Make one entry at its normalised path."""
        if not path:
            if entry.kind is not Kind.DIRECTORY:
                raise ValueError("it would replace the root directory")
            self.top(entry)
            return
        parent, _, name = path.rpartition(b"/")
        self._make[entry.kind](self.parent(parent), path, name, entry, reader)

    # what subclasses decide

    def top(self, entry: Entry) -> None:
        """The entry of the root directory itself."""
        self._attributes(self._directories.root, entry)
        self._times[b""] = entry.mtime

    def implied(self, path: bytes, descriptor: int) -> None:
        """A directory that the archive uses but does not list has been made (root:root 0755)."""

    def may_replace(self, parent: int, path: bytes, found: os.stat_result, entry: Entry) -> None:
        """Called before what lies at `path` is removed for the entry; raises to refuse."""

    def remove_tree(self, parent: int, name: bytes) -> None:
        """Remove a directory that is in an entry's way."""
        remove_tree(parent, name)

    def may_link(self, target: bytes, found: os.stat_result) -> None:
        """Called before a hard link to `target` is made; raises to refuse."""

    def became_directory(self, descriptor: int, found: os.stat_result | None) -> None:
        """A new directory was made, in place of `found`."""

    def missing_target(self, path: bytes) -> bool:  # noqa: ARG002
        """A hard link's target is not there; True when it has been provided."""
        return False

    # directories on the way

    def parent(self, path: bytes) -> int:
        """The directory `path`, made with its parents where it is missing."""
        try:
            return self._directories.get(path)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return self._make_parents(path)
            if error.errno in _NOT_A_DIRECTORY:
                return self.obstructed(path)
            raise

    def obstructed(self, path: bytes) -> int:
        """Something else than a directory is at `path` or on the way to it: explain."""
        prefix = b""
        for name in path.split(b"/"):
            found = os.stat(name, dir_fd=self._directories.get(prefix), follow_symlinks=False)
            prefix = prefix + b"/" + name if prefix else name
            if stat.S_ISLNK(found.st_mode):
                raise ValueError(f"its name goes through the link {shown(prefix)}")
            if not stat.S_ISDIR(found.st_mode):
                break
        raise ValueError(f"its name goes through {shown(prefix)}, which is not a directory")

    def _make_parents(self, path: bytes) -> int:
        missing = []
        while path:
            try:
                descriptor = self._directories.get(path)
                break
            except FileNotFoundError:
                parent, _, name = path.rpartition(b"/")
                missing.append((path, name))
                path = parent
            except NotADirectoryError:
                descriptor = self.obstructed(path)
                break
        else:
            descriptor = self._directories.root
        for path, name in reversed(missing):
            descriptor = self._make_directory(descriptor, path, name, None)
            os.fchmod(descriptor, 0o755)
            os.fchown(descriptor, *(self._owner or (0, 0)))
            self.implied(path, descriptor)
        return descriptor

    def _make_directory(self, parent: int, path: bytes, name: bytes, found: os.stat_result | None) -> int:
        os.mkdir(name, 0o700, dir_fd=parent)
        descriptor = os.open(name, OPEN_DIRECTORY, dir_fd=parent)
        self._directories.put(path, descriptor)
        self.became_directory(descriptor, found)
        return descriptor

    # entries by kind

    def _file(self, parent: int, path: bytes, name: bytes, entry: Entry, reader: TarReader) -> None:
        try:
            descriptor = os.open(name, _CREATE, 0o600, dir_fd=parent)
        except FileExistsError:
            self._clear(parent, path, name, entry)
            descriptor = os.open(name, _CREATE, 0o600, dir_fd=parent)
        try:
            if entry.extents is not None:
                _write_sparse(descriptor, entry, reader.data())
            elif entry.size:
                for piece in reader.data():
                    write_all(descriptor, piece)
            self._attributes(descriptor, entry)
            os.utime(descriptor, ns=(entry.mtime, entry.mtime))
        finally:
            os.close(descriptor)
        self.size += entry.size

    def _directory(self, parent: int, path: bytes, name: bytes, entry: Entry, _: TarReader) -> None:
        try:
            descriptor = self._make_directory(parent, path, name, None)
        except FileExistsError:
            descriptor = self._existing_directory(parent, path, name, entry)
        self._attributes(descriptor, entry)
        self._times[path] = entry.mtime

    def _existing_directory(self, parent: int, path: bytes, name: bytes, entry: Entry) -> int:
        try:
            descriptor = os.open(name, OPEN_DIRECTORY, dir_fd=parent)
        except OSError as error:
            if error.errno not in _NOT_A_DIRECTORY:
                raise
            found = self._clear(parent, path, name, entry)
            return self._make_directory(parent, path, name, found)
        self._directories.put(path, descriptor)
        return descriptor

    def _symlink(self, parent: int, path: bytes, name: bytes, entry: Entry, _: TarReader) -> None:
        if not entry.link or b"\0" in entry.link:
            raise ValueError("a link without a target")
        try:
            os.symlink(entry.link, name, dir_fd=parent)
        except FileExistsError:
            self._clear(parent, path, name, entry)
            os.symlink(entry.link, name, dir_fd=parent)
        uid, gid = self._owner or (entry.uid, entry.gid)
        os.chown(name, uid, gid, dir_fd=parent, follow_symlinks=False)
        if entry.xattrs:
            for attribute, value in entry.xattrs.items():
                if may_set(attribute):
                    xattr.set_at(parent, name, attribute, value)
        os.utime(name, ns=(entry.mtime, entry.mtime), dir_fd=parent, follow_symlinks=False)

    def _hardlink(self, parent: int, path: bytes, name: bytes, entry: Entry, _: TarReader) -> None:
        target = normalised(entry.link)
        if not target:
            raise ValueError("a hard link to the root directory")
        above, base = os.path.split(target)
        source = self._target_directory(above, target)
        try:
            found = os.stat(base, dir_fd=source, follow_symlinks=False)
        except FileNotFoundError:
            if not self.missing_target(target):
                raise ValueError(f"hard link to {shown(target)}, which does not exist") from None
            found = os.stat(base, dir_fd=source, follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode):
            raise ValueError(f"hard link to the directory {shown(target)}")
        self.may_link(target, found)
        if target == path:
            return
        parent = self._directories.get(path.rpartition(b"/")[0])  # finding the target may have closed it
        try:
            os.link(base, name, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False)
        except FileExistsError:
            there = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if (there.st_dev, there.st_ino) == (found.st_dev, found.st_ino):
                return
            self._clear(parent, path, name, entry)
            os.link(base, name, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False)

    def _target_directory(self, above: bytes, target: bytes) -> int:
        try:
            return self._directories.get(above)
        except FileNotFoundError:
            if self.missing_target(target):
                return self._directories.get(above)
            raise ValueError(f"hard link to {shown(target)}, which does not exist") from None
        except NotADirectoryError:
            raise ValueError(f"hard link to {shown(target)}, which leads through a link or a file") from None

    def _node(self, parent: int, path: bytes, name: bytes, entry: Entry, _: TarReader) -> None:
        major, minor = entry.device
        if not 0 <= major < 1 << 12 or not 0 <= minor < 1 << 20:
            raise ValueError(f"impossible device number {major}:{minor}")
        device = os.makedev(major, minor)
        try:
            os.mknod(name, _NODES[entry.kind] | 0o600, device, dir_fd=parent)
        except FileExistsError:
            self._clear(parent, path, name, entry)
            os.mknod(name, _NODES[entry.kind] | 0o600, device, dir_fd=parent)
        descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            if stat.S_IFMT(os.fstat(descriptor).st_mode) != _NODES[entry.kind]:
                raise ValueError("it was replaced while it was made")
            uid, gid = self._owner or (entry.uid, entry.gid)
            exact = xattr.path_of(descriptor)
            os.chown(exact, uid, gid)
            os.chmod(exact, entry.mode)
            _set_xattrs(exact, entry.xattrs, special=True)
            os.utime(exact, ns=(entry.mtime, entry.mtime))
        finally:
            os.close(descriptor)

    # parts of the work

    def _attributes(self, descriptor: int, entry: Entry) -> None:
        """Owner before mode and capability, since chown takes those away."""
        uid, gid = self._owner or (entry.uid, entry.gid)
        os.fchown(descriptor, uid, gid)
        os.fchmod(descriptor, entry.mode)
        if entry.xattrs:
            _set_xattrs(descriptor, entry.xattrs)

    def _clear(self, parent: int, path: bytes, name: bytes, entry: Entry) -> os.stat_result:
        """Remove what is in the entry's way; what it was."""
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        self.may_replace(parent, path, found, entry)
        if stat.S_ISDIR(found.st_mode):
            self._replaced = True
            self._directories.forget(path)
            self.remove_tree(parent, name)
        else:
            os.unlink(name, dir_fd=parent)
        return found

    def _bound(self, entry: Entry, stored: int) -> None:
        if self.entries > self._limits.entries:
            raise InvalidArgument(f"cannot unpack the archive: more than {self._limits.entries} entries")
        self._stored += stored
        if self._stored > self._limits.size:
            raise bad_entry(entry.name, f"the archive's files exceed {self._limits.size} bytes")
        if self._stored > self._space:
            raise Unavailable(
                f"cannot unpack {shown(entry.name)}: no space left on device: the archive needs {self._stored} bytes "
                f"up to this entry, {self._space} are free; make room and try again"
            )

    def _set_times(self) -> None:
        for path, mtime in self._times.items():
            try:
                if self._replaced or not path:
                    os.utime(self._directories.get(path), ns=(mtime, mtime))
                    continue
                parent, _, name = path.rpartition(b"/")
                os.utime(name, ns=(mtime, mtime), dir_fd=self._directories.get(parent), follow_symlinks=False)
            except (FileNotFoundError, NotADirectoryError):
                continue  # replaced by a later entry


def _set_xattrs(target: int | str, xattrs: dict[bytes, bytes] | None, *, special: bool = False) -> None:
    for attribute, value in (xattrs or {}).items():
        if not may_set(attribute) or (special and attribute.startswith(b"user.")):
            continue  # the kernel has user.* for files and directories only
        try:
            os.setxattr(target, attribute, value)
        except OSError as error:
            if error.errno != errno.ENOTSUP:  # a file system without them: Docker goes on too
                raise


def _write_sparse(descriptor: int, entry: Entry, pieces: Iterable[memoryview]) -> None:
    os.ftruncate(descriptor, entry.size)
    extents = iter(entry.extents or ())
    left = 0
    for piece in pieces:
        while piece:
            while not left:
                os.lseek(descriptor, next(extents), os.SEEK_SET)
                left = next(extents)
            part = piece[:left]
            write_all(descriptor, part)
            left -= len(part)
            piece = piece[len(part) :]
