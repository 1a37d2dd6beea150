"""Who owns a root directory: an flock on ROOT/lock, whose content names the holder.

The lock ends with the process that took it, however it ends; the content is only for people and for those who want
to talk to the holder, and may be stale when the lock is free.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Self

from estiba.errors import Conflict

if TYPE_CHECKING:
    from pathlib import Path

_MOST = 64 * 1024


@dataclass(frozen=True)
class Holder:
    """The process that owns a root.

    kind says what it is (`engine`, `library`); socket is the path of its API, "" when it serves none.
    """

    pid: int
    kind: str = "engine"
    socket: str = ""


class RootLock:
    """The exclusive right to a root directory, held from acquire() to release() (or as a context manager)."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._path = root / "lock"
        self._descriptor = -1

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._descriptor >= 0

    def acquire(self, *, kind: str = "engine", socket: str = "") -> Self:
        """Take the lock at once and write who holds it.

        Raises:
            Conflict: another process (or object) holds it; the message names it.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Conflict(self._in_use(_parse(os.pread(descriptor, _MOST, 0)))) from None
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        self.describe(kind=kind, socket=socket)
        return self

    def describe(self, *, kind: str, socket: str) -> None:
        """Write anew who holds the lock (a library that opened its socket later)."""
        content = json.dumps(asdict(Holder(os.getpid(), kind, socket))).encode() + b"\n"
        os.pwrite(self._descriptor, content, 0)  # in place: a new file would carry no lock
        os.ftruncate(self._descriptor, len(content))

    def release(self) -> None:
        """Give the lock back; idempotent."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.ftruncate(descriptor, 0)
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self if self.held else self.acquire()

    def __exit__(self, *exc_info: object) -> None:
        self.release()

    def _in_use(self, holder: Holder | None) -> str:
        if holder is None:
            return f"cannot use {self._root}: another engine holds it"
        served = f", socket {holder.socket}" if holder.socket else ""
        return f"cannot use {self._root}: it is in use by another {holder.kind} (pid {holder.pid}{served})"


def find_holder(root: Path) -> Holder | None:
    """Who holds a root at this moment; None when nobody does (or it has never been used)."""
    try:
        descriptor = os.open(root / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _parse(os.pread(descriptor, _MOST, 0)) or Holder(0)
    else:
        return None
    finally:
        os.close(descriptor)


def _parse(content: bytes) -> Holder | None:
    try:
        fields = json.loads(content)
        return Holder(int(fields["pid"]), str(fields["kind"]), str(fields["socket"]))
    except (ValueError, KeyError, TypeError):
        return None
