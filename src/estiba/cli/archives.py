"""Tar streams of ``cp``: a file or directory of this machine as a stream, and a stream unpacked here without leaving
its directory.

Unpacking opens every directory on the way relative to the one before and never through a link: what a container sends
(or swaps while it is being read) cannot make us write elsewhere. Owners are not taken over, as in Docker, and neither
are set-id bits, which would mean another owner here; other modes and times are.
"""

from __future__ import annotations

import os
import stat
import tarfile

from estiba.cli.session import CommandError
from estiba.cli.streams import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

_BLOCK = 1 << 18
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def pack(path: str, name: str) -> Iterator[bytes]:
    """The tar stream of a file or a whole directory.

    Args:
        path: what to pack; a link is packed as a link.
        name: how its top entry is called in the stream.
    """
    seen: dict[tuple[int, int], str] = {}
    yield from _entry(path, name, seen)
    yield b"\0" * 1024


def _entry(path: str, name: str, seen: dict[tuple[int, int], str]) -> Iterator[bytes]:
    status = os.lstat(path)
    info = _header(path, name, status)
    if info is None:
        return
    if status.st_nlink > 1 and not info.isdir():
        first = seen.setdefault((status.st_dev, status.st_ino), name)
        if first != name:
            info.type, info.linkname, info.size = tarfile.LNKTYPE, first, 0
    yield info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
    if info.isreg():
        yield from _content(path, info.size)
    elif info.isdir():
        for child in sorted(os.listdir(path)):
            yield from _entry(os.path.join(path, child), f"{name}/{child}", seen)


def _header(path: str, name: str, status: os.stat_result) -> tarfile.TarInfo | None:
    """The entry's header, None for what a tar cannot hold (sockets)."""
    info = tarfile.TarInfo(name)
    info.mode, info.uid, info.gid = stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid
    info.mtime = int(status.st_mtime)
    if stat.S_ISREG(status.st_mode):
        info.size = status.st_size
    elif stat.S_ISDIR(status.st_mode):
        info.type, info.name = tarfile.DIRTYPE, f"{name}/"
    elif stat.S_ISLNK(status.st_mode):
        info.type, info.linkname = tarfile.SYMTYPE, os.readlink(path)
    elif stat.S_ISFIFO(status.st_mode):
        info.type = tarfile.FIFOTYPE
    elif stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        info.type = tarfile.CHRTYPE if stat.S_ISCHR(status.st_mode) else tarfile.BLKTYPE
        info.devmajor, info.devminor = os.major(status.st_rdev), os.minor(status.st_rdev)
    else:
        return None
    return info


def _content(path: str, size: int) -> Iterator[bytes]:
    """Exactly ``size`` bytes, whatever happens to the file meanwhile, and the padding."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        left = size
        while left:
            block = os.read(descriptor, min(_BLOCK, left))
            if not block:
                raise CommandError(f"cannot copy {path}: it became shorter while it was read")
            left -= len(block)
            yield block
    finally:
        os.close(descriptor)
    yield b"\0" * (-size % 512)


class Reader:
    """Blocks of a reply as the file object that tarfile reads."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._held = b""
        self.count = 0

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes; less only at the end."""
        pieces, missing = [self._held], size - len(self._held)
        while missing > 0 or size < 0:
            block = next(self._blocks, b"")
            if not block:
                break
            self.count += len(block)
            pieces.append(block)
            missing -= len(block)
        data = b"".join(pieces)
        self._held = data[size:] if size >= 0 else b""
        return data[:size] if size >= 0 else data


def unpack(source: Reader, directory: str, old: str, new: str) -> None:
    """Unpack a stream into an existing directory, its top entry renamed from ``old`` to ``new`` (equal: as it is).

    Raises:
        CommandError: an entry does not fit what is there (a file onto a directory), or names a place outside.
    """
    target = _Target(directory)
    try:
        archive = tarfile.open(  # noqa: SIM115  closed below
            fileobj=source,  # type: ignore[call-overload]
            mode="r|",
            encoding="utf-8",
            errors="surrogateescape",
        )
        with archive:
            for entry in archive:
                parts = _parts(_renamed(entry.name, old, new))
                target.put(archive, entry, parts, old, new)
        target.finish()
    except tarfile.TarError as error:
        raise CommandError(f"cannot read the archive: {error}") from None
    finally:
        target.close()


def _renamed(name: str, old: str, new: str) -> str:
    clean = name.removeprefix("./") if old != "." else name
    if old == "." and name.startswith("."):
        return new + name[1:]
    head, slash, rest = clean.partition("/")
    return f"{new}{slash}{rest}" if head == old else clean


def _parts(name: str) -> list[str]:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise CommandError(f"cannot unpack {name!r}: it is outside the target directory")
    return parts


class _Target:
    """The directory that is unpacked into; keeps the last directory open, as entries of one directory follow each
    other.
    """

    def __init__(self, directory: str) -> None:
        self._root = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._parent, self._parent_parts = -1, [""]
        self._directories: list[tuple[list[str], int, float]] = []  # times are set last, when nothing is added any more

    def close(self) -> None:
        if self._parent >= 0:
            os.close(self._parent)
        os.close(self._root)

    def finish(self) -> None:
        for parts, mode, moment in reversed(self._directories):
            parent = self._open(parts[:-1])
            name = parts[-1] if parts else "."
            os.chmod(name, mode, dir_fd=parent)
            os.utime(name, (moment, moment), dir_fd=parent, follow_symlinks=False)

    def _open(self, parts: list[str]) -> int:
        """The directory, each step opened without following a link; missing ones are made."""
        if parts == self._parent_parts and self._parent >= 0:
            return self._parent
        current = os.dup(self._root)
        try:
            for part in parts:
                try:
                    following = os.open(part, _DIRECTORY, dir_fd=current)
                except FileNotFoundError:
                    os.mkdir(part, 0o755, dir_fd=current)
                    following = os.open(part, _DIRECTORY, dir_fd=current)
                os.close(current)
                current = following
        except OSError as error:
            os.close(current)
            raise CommandError(f"cannot unpack into {'/'.join(parts)!r}: {error.strerror}") from None
        if self._parent >= 0:
            os.close(self._parent)
        self._parent, self._parent_parts = current, parts
        return current

    def put(self, archive: tarfile.TarFile, entry: tarfile.TarInfo, parts: list[str], old: str, new: str) -> None:
        mode = _safe_mode(entry)
        if not parts:
            return
        parent, name = self._open(parts[:-1]), parts[-1]
        self._clear(parent, name, entry)
        if entry.isdir():
            if not _exists(parent, name):
                os.mkdir(name, 0o700, dir_fd=parent)
            self._directories.append((parts, mode, entry.mtime))
            return
        if entry.islnk():  # its times are the other name's
            self._link(parent, name, _parts(_renamed(entry.linkname, old, new)))
            return
        if entry.isreg():
            self._file(parent, name, archive.extractfile(entry), mode)
        elif entry.issym():
            os.symlink(entry.linkname, name, dir_fd=parent)
        elif entry.isfifo():
            os.mkfifo(name, mode, dir_fd=parent)
        else:
            kind = stat.S_IFCHR if entry.ischr() else stat.S_IFBLK
            os.mknod(name, kind | mode, os.makedev(entry.devmajor, entry.devminor), dir_fd=parent)
        os.utime(name, (entry.mtime, entry.mtime), dir_fd=parent, follow_symlinks=False)

    def _clear(self, parent: int, name: str, entry: tarfile.TarInfo) -> None:
        """Make room: a file replaces a file, a directory joins a directory; nothing else replaces a directory."""
        status = _exists(parent, name)
        if status is None:
            return
        there = stat.S_ISDIR(status.st_mode)
        if there and not entry.isdir():
            raise CommandError(f"cannot overwrite directory {entry.name!r} with non-directory")
        if entry.isdir() and not there:
            raise CommandError(f"cannot overwrite non-directory {entry.name!r} with directory")
        if not there:
            os.unlink(name, dir_fd=parent)

    def _file(self, parent: int, name: str, content: IO[bytes] | None, mode: int) -> None:
        descriptor = os.open(name, _NEW_FILE, 0o600, dir_fd=parent)
        try:
            while content is not None and (block := content.read(_BLOCK)):
                write_all(descriptor, block)
            os.fchmod(descriptor, mode)
        finally:
            os.close(descriptor)

    def _link(self, parent: int, name: str, other: list[str]) -> None:
        kept = os.dup(parent)  # _open may replace the cached one
        try:
            os.link(other[-1], name, src_dir_fd=self._open(other[:-1]), dst_dir_fd=kept, follow_symlinks=False)
        finally:
            os.close(kept)


def _safe_mode(entry: tarfile.TarInfo) -> int:
    """What the container says, without what would give its programs and devices the rights of whoever copies them."""
    mode = stat.S_IMODE(entry.mode) & ~(stat.S_ISUID | stat.S_ISGID)
    return mode & 0o700 if entry.ischr() or entry.isblk() else mode


def _exists(parent: int, name: str) -> os.stat_result | None:
    try:
        return os.lstat(name, dir_fd=parent)
    except FileNotFoundError:
        return None
