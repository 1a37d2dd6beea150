"""A container's files as one tree: its root with its volumes and binds, without what only the runtime mounts.

The tree is a detached copy of mounts that lives as long as its descriptor: nothing is mounted where others see it, a
killed engine leaves nothing, and nothing that the container does to its mounts reaches it. Paths below it are resolved
with RESOLVE_IN_ROOT.
"""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from estiba.errors import InvalidArgument, SystemFailure
from estiba.linux.mount import (
    AT_EMPTY_PATH,
    AT_RECURSIVE,
    MNT_DETACH,
    MOUNT_ATTR_RDONLY,
    OPEN_TREE_CLONE,
    mount_setattr,
    move_mount,
    open_tree,
    umount2,
)
from estiba.linux.mount_namespaces import in_own_mounts
from estiba.linux.openat2 import RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, open_in_root, openat2
from estiba.linux.overlay import mount_on

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from estiba.oci.runtime_spec import Mount

UMOUNT_NOFOLLOW = 8
RUNTIME_MOUNTS = ("/proc", "/sys", "/dev", "/sbin/docker-init")


@dataclass(frozen=True)
class Bind:
    """A volume or bind in a root: a path of this host, and what lies below it if not all is meant.

    The subpath belongs to the containers that write there: it is never followed out of the source.
    """

    source: str
    destination: str
    writable: bool
    subpath: str = ""


@contextlib.contextmanager
def running_root(namespace: int, *, bare: bool = False) -> Iterator[int]:
    """A descriptor of the root of a container with this mount namespace; bare: without volumes and binds."""
    with _readable(in_own_mounts(_clone_root if bare else _strip_and_clone, joined=namespace)) as root:
        yield root


def _clone_root() -> int:
    return open_tree(-100, "/", OPEN_TREE_CLONE)


def _strip_and_clone() -> int:
    for path in RUNTIME_MOUNTS:
        try:
            umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW)
        except OSError:
            continue
    return open_tree(-100, "/", OPEN_TREE_CLONE | AT_RECURSIVE)


@contextlib.contextmanager
def assembled_root(mounts: Sequence[Mount], binds: Sequence[Bind], place: str) -> Iterator[int]:
    """A descriptor of a root that does not run.

    Args:
        mounts: the root's own mounts; the first is `/`, an overlay.
        binds: volumes and binds, outermost first.
        place: an empty directory on which the tree is put together, unseen by others.

    Raises:
        InvalidArgument: a subpath leads out of its source.
    """
    with _readable(in_own_mounts(lambda: _assemble(mounts, binds, place))) as root:
        yield root


@contextlib.contextmanager
def _readable(tree: int) -> Iterator[int]:
    """The tree's root as a directory that can be listed; the tree is dissolved when its own descriptor is closed."""
    with _descriptor(tree), _descriptor(os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=tree)) as root:
        yield root


def _assemble(mounts: Sequence[Mount], binds: Sequence[Bind], place: str) -> int:
    with contextlib.ExitStack() as stack:
        with _descriptor(os.open(place, os.O_PATH | os.O_CLOEXEC)) as target:
            mount_on(target, mounts[0].options or ())
        root = stack.enter_context(_descriptor(os.open(place, os.O_PATH | os.O_CLOEXEC)))
        for mount in mounts[1:]:
            make_directories(root, mount.destination)
            with _descriptor(open_in_root(root, mount.destination)) as target:
                mount_on(target, mount.options or ())
        for bind in binds:
            try:
                source = stack.enter_context(_descriptor(_open_source(bind)))
            except FileNotFoundError:
                continue
            with _descriptor(open_tree(source, "", OPEN_TREE_CLONE | AT_RECURSIVE | AT_EMPTY_PATH)) as tree:
                if not bind.writable:
                    mount_setattr(tree, enable=MOUNT_ATTR_RDONLY, recursive=True)
                _attach(tree, root, bind.destination)
        return open_tree(root, "", OPEN_TREE_CLONE | AT_RECURSIVE | AT_EMPTY_PATH)


def _open_source(bind: Bind) -> int:
    if not bind.subpath:
        return os.open(bind.source, os.O_PATH | os.O_CLOEXEC)
    with _descriptor(os.open(bind.source, os.O_PATH | os.O_CLOEXEC)) as top:
        try:
            return openat2(top, bind.subpath, os.O_PATH, resolve=RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS)
        except FileNotFoundError:
            raise
        except OSError:
            raise InvalidArgument(
                f"path concatenation escapes the base directory, base: {bind.source}, subpath: {bind.subpath}"
            ) from None


def _attach(tree: int, root: int, destination: str) -> None:
    """Mount on the place, which is made as a start would make it."""
    directory = stat.S_ISDIR(os.fstat(tree).st_mode)
    make_directories(root, destination if directory else os.path.dirname(destination))
    if not directory:
        with contextlib.suppress(FileExistsError):
            os.close(open_in_root(root, destination, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode=0o644))
    target = open_in_root(root, destination)
    try:
        move_mount(tree, target)
    finally:
        os.close(target)


@contextlib.contextmanager
def _descriptor(number: int) -> Iterator[int]:
    try:
        yield number
    finally:
        os.close(number)


def _make_one(root: int, path: str, parent: int) -> None:
    """The last part of a path, or where a link there leads."""
    name = os.path.basename(path)
    try:
        os.mkdir(name, 0o755, dir_fd=parent)
    except FileExistsError:
        # a link that leads nowhere; one that leads in a circle was refused before
        make_directories(root, os.path.join(os.path.dirname(path), os.readlink(name, dir_fd=parent)))


def _step(root: int, parent: int, path: str) -> int:
    """The last part of a path in its directory; where that is a link, it is followed from the root."""
    try:
        return openat2(parent, os.path.basename(path), os.O_PATH, resolve=RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)
    except FileNotFoundError:
        raise
    except OSError:
        return open_in_root(root, path, os.O_PATH)


def make_directories(root: int, path: str) -> None:
    """Make a directory and its parents (root's, mode 0755) below a root, following its links, never leaving it.

    Raises SystemFailure when something else than a directory is in the way.
    """
    parts = [part for part in path.split("/") if part]
    current = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=root)
    try:
        for depth in range(1, len(parts) + 1):
            below = "/".join(parts[:depth])
            try:
                following = _step(root, current, below)
            except FileNotFoundError:
                _make_one(root, below, current)
                following = _step(root, current, below)
            os.close(current)
            current = following
            if not stat.S_ISDIR(os.fstat(current).st_mode):
                raise SystemFailure(f"Cannot mkdir: {path} is not a directory")
    finally:
        os.close(current)
