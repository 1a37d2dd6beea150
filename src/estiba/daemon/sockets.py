"""The unix sockets on which the engine listens: made private, opened for a group, replaced only when nobody answers."""

from __future__ import annotations

import contextlib
import grp
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from estiba.errors import Conflict, InvalidArgument, SystemFailure

if TYPE_CHECKING:
    from collections.abc import Iterator

BACKLOG = 1024
# sun_path without its NUL
_LONGEST_PATH = 107


def socket_path(host: str) -> Path:
    """The path of unix://PATH. Raises InvalidArgument."""
    scheme, separator, path = host.partition("://")
    if not separator or scheme != "unix" or not path.startswith("/"):
        raise InvalidArgument(f"cannot listen on {host!r}: only unix:///ABSOLUTE/PATH is supported")
    return Path(path)


@contextlib.contextmanager
def listening(path: Path, group: str) -> Iterator[socket.socket]:
    """A listening socket at `path`, mode 0660, owned by root and, if it exists, the group; unlinked at the end.

    Raises:
        Conflict: somebody answers there, or something else than a socket is in the way.
        SystemFailure: the path cannot be made.
    """
    _replace_stale(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as listener:
        # sockfs gives its mode to the file: nobody else can connect before the group is set
        os.fchmod(listener.fileno(), 0o600)
        try:
            path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
            _bind(listener, path)
            os.chown(path, 0, _group_id(group))
            os.chmod(path, 0o660)
        except OSError as error:
            raise SystemFailure(f"cannot listen on {path}: {error.strerror or error}") from error
        own = os.lstat(path)
        listener.listen(BACKLOG)
        try:
            yield listener
        finally:
            with contextlib.suppress(OSError):
                if os.path.samestat(os.lstat(path), own):
                    os.unlink(path)


def _bind(listener: socket.socket, path: Path) -> None:
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        listener.bind(str(path))
        return
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        listener.bind(f"/proc/self/fd/{directory}/{path.name}")
    finally:
        os.close(directory)


def _replace_stale(path: Path) -> None:
    if not path.is_socket():
        if os.path.lexists(path):
            raise Conflict(f"cannot listen on {path}: there is something else than a socket")
        return
    if answers(path):
        raise Conflict(f"cannot listen on {path}: another engine answers there")
    with contextlib.suppress(FileNotFoundError):
        path.unlink()


def answers(path: Path) -> bool:
    """Does somebody listen there?"""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(str(path))
        except BlockingIOError:
            return True  # its queue is full
        except OSError:
            return False
        return True


def _group_id(name: str) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return 0
