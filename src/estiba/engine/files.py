"""A container's files from outside: copied in and out, listed, exported, compared with its image; running or not.

Paths are resolved in a detached copy of the container's mounts (rootview.py) as the container itself would, so that no
link leads out of it, whatever it swaps meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from estiba.engine.container_events import container_event
from estiba.engine.rootview import Bind, assembled_root, running_root
from estiba.engine.state import Container, Running
from estiba.errors import Conflict, InvalidArgument, NotFound, SystemFailure
from estiba.images.differences import Change, diff_upper
from estiba.images.pack import open_path, pack_path, pack_tree, top_name
from estiba.images.unpack import extract_archive
from estiba.linux.openat2 import open_in_root

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from estiba.engine.places import Places
    from estiba.engine.ports import Snapshots
    from estiba.engine.records import ContainerRecords
    from estiba.engine.shims import Shims
    from estiba.engine.spec.users import User
    from estiba.images.compression import Readable, Writable

# Go's os.FileMode, which the API shows: https://pkg.go.dev/io/fs#FileMode
_GO_KINDS = {
    stat.S_IFDIR: 1 << 31,
    stat.S_IFLNK: 1 << 27,
    stat.S_IFBLK: 1 << 26,
    stat.S_IFCHR: 1 << 26 | 1 << 21,
    stat.S_IFIFO: 1 << 25,
    stat.S_IFSOCK: 1 << 24,
}
ENGINE_FILES = ("hosts", "hostname", "resolv.conf")
MOST_LINKS = 255
_GO_BITS = {stat.S_ISUID: 1 << 23, stat.S_ISGID: 1 << 22, stat.S_ISVTX: 1 << 20}


@dataclass(frozen=True)
class PathStat:
    """What a path of a container is: mode as Go's FileMode, mtime as RFC 3339, link_target as seen inside."""

    name: str
    size: int
    mode: int
    mtime: str
    link_target: str


class ContainerFiles:
    """Files of containers."""

    def __init__(self, *, records: ContainerRecords, shims: Shims, snapshots: Snapshots, places: Places) -> None:
        self._records = records
        self._shims = shims
        self._snapshots = snapshots
        self._place = str(places.run_dir / "rootfs")

    @contextlib.contextmanager
    def root(self, container: Container, *, volumes: bool = True) -> Iterator[int]:
        """A descriptor of the container's root directory, with its volumes and binds if asked for."""
        with contextlib.ExitStack() as stack:
            yield self._open(stack, container.id, volumes)

    def _open(self, stack: contextlib.ExitStack, container_id: str, volumes: bool) -> int:
        """Under the lock that a start holds: two overlays with one upper directory cannot be mounted at a time."""
        with self._records.lock(container_id):
            container = self._records.current(container_id)
            try:
                namespace = self._namespace(container)
                if namespace is None:
                    return stack.enter_context(self._assembled(container, volumes))
                stack.callback(os.close, namespace)
                return stack.enter_context(running_root(namespace, bare=not volumes))
            except OSError as error:
                raise SystemFailure(f"cannot open the files of container {container.name}: {error}") from error

    def _namespace(self, container: Container) -> int | None:
        """A descriptor of its mount namespace; None when it does not run (any more)."""
        shim = self._shims.find(container.id) if isinstance(container.state, Running) else None
        if shim is None:
            return None
        try:
            return shim.open_file("ns/mnt")
        except Conflict:
            return None

    def _assembled(self, container: Container, volumes: bool) -> AbstractContextManager[int]:
        binds = [Bind(f"{container.directory}/{name}", f"/etc/{name}", writable=True) for name in ENGINE_FILES]
        binds += [
            Bind(mount.source, mount.destination, mount.rw, mount.subpath)
            for mount in sorted(container.mounts, key=lambda mount: mount.destination.count("/"))
            if mount.type in ("bind", "volume")
        ]
        return assembled_root(self._snapshots.mounts(container.id), binds if volumes else [], self._place)

    def stat(self, reference: str, path: str) -> PathStat:
        """What is at a path; a link at its end is described itself. Raises NotFound."""
        container = self._records.get(reference)
        with self.root(container) as root, _explained(reference, path):
            descriptor = open_path(root, path)
            try:
                return _describe(root, descriptor, path)
            finally:
                os.close(descriptor)

    def get(self, reference: str, path: str, out: Writable) -> None:
        """Write a tar of a path and everything below it. Raises NotFound."""
        container = self._records.get(reference)
        with self.root(container) as root, _explained(reference, path):
            pack_path(root, path, out.write)
        self._records.tell(container_event(container, "archive-path"))

    def put(
        self,
        reference: str,
        path: str,
        source: Readable,
        *,
        no_overwrite_dir_non_dir: bool = False,
        copy_uid_gid: bool = False,
    ) -> None:
        """Unpack a tar into a directory. Raises NotFound, InvalidArgument, Conflict for a read-only place."""
        container = self._records.get(reference)
        self._check_writable(container, path)
        with self.root(container) as root, _explained(reference, path):
            owner = self._owner(container, root) if copy_uid_gid and container.config.user else None
            try:
                extract_archive(source, root, path, no_overwrite_dir_non_dir=no_overwrite_dir_non_dir, owner=owner)
            except NotADirectoryError:
                raise InvalidArgument("extraction point is not a directory") from None
        self._records.tell(container_event(container, "extract-to-dir"))

    def _check_writable(self, container: Container, path: str) -> None:
        target = os.path.normpath("/" + path.lstrip("/"))
        over = [
            mount
            for mount in container.mounts
            if target == mount.destination or target.startswith(mount.destination.rstrip("/") + "/")
        ]
        if over:
            if not max(over, key=lambda mount: len(mount.destination)).rw:
                raise SystemFailure("mounted volume is marked read-only")
        elif container.host.readonly_rootfs:
            raise SystemFailure("container rootfs is marked read-only")

    def _owner(self, container: Container, root: int) -> tuple[int, int]:
        from estiba.engine.spec.users import resolve_user

        user: User = resolve_user(root, container.config.user, [])
        return user.uid, user.gid

    def export(self, reference: str, out: Writable) -> None:
        """Write a tar of the whole root, without volumes."""
        container = self._records.get(reference)
        with self.root(container, volumes=False) as root:
            pack_tree(root, out.write)
        self._records.tell(container_event(container, "export"))

    def changes(self, reference: str) -> list[Change]:
        """How the container's files differ from its image's, sorted by path."""
        container = self._records.get(reference)
        with self._snapshots.compared(container.id) as parts:
            return [change for place, upper, lower in parts for change in diff_upper(upper, lower, below=place)]

    def storage(self, container: Container) -> dict[str, str]:
        """The directories of the storage driver, as inspect's GraphDriver.Data shows them."""
        return self._snapshots.directories(container.id)


@contextlib.contextmanager
def _explained(reference: str, path: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotFound):
        raise NotFound(f"Could not find the file {path} in container {reference}") from None
    except NotADirectoryError:
        raise InvalidArgument(f"lstat {path}: not a directory") from None
    except PermissionError as error:
        raise Conflict(f"cannot access {path} in container {reference}: {error.strerror}") from error
    except OSError as error:
        raise SystemFailure(f"cannot access {path} in container {reference}: {error.strerror}") from error


def _describe(root: int, descriptor: int, path: str) -> PathStat:
    found = os.fstat(descriptor)
    kind = stat.S_IFMT(found.st_mode)
    mode = (found.st_mode & 0o777) | _GO_KINDS.get(kind, 0)
    for bit, shown in _GO_BITS.items():
        mode |= shown if found.st_mode & bit else 0
    target = _led_to(root, path) if kind == stat.S_IFLNK else ""
    name = os.fsdecode(top_name(path)) if not path.endswith("/.") else "."
    return PathStat(name=name, size=found.st_size, mode=mode, mtime=_rfc3339(found.st_mtime_ns), link_target=target)


def _led_to(root: int, path: str) -> str:
    """Where a link leads in the end, as seen inside; what does not exist is named all the same."""
    followed = path
    for _ in range(MOST_LINKS):
        parent, name = os.path.split(followed.rstrip("/"))
        try:
            directory = open_in_root(root, parent or "/")
        except FileNotFoundError:
            return os.path.normpath(followed)
        try:
            place = os.readlink(f"/proc/self/fd/{directory}")
            content = os.readlink(name, dir_fd=directory)
        except OSError:  # not a link, or nothing: the end
            return os.path.normpath(os.path.join(place, name))
        finally:
            os.close(directory)
        followed = os.path.join(place, content)
    raise SystemFailure(f"evalSymlinksInScope: too many links in {path}")


def _rfc3339(nanoseconds: int) -> str:
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    digits = f"{fraction:09d}".rstrip("0")
    return f"{text}.{digits}Z" if digits else f"{text}Z"
