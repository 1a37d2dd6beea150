"""Doing something in another mount namespace, in a thread of its own: setns(2), unshare(2) are per thread.

The thread ends afterwards, since it cannot come back. What it runs must import and load nothing: files would come from
that other namespace.
"""

from __future__ import annotations

import ctypes
import threading
from typing import TYPE_CHECKING, Final, TypeVar

from estiba.linux.libc import LIBC, failure
from estiba.linux.mount import CLONE_NEWNS, unshare_mounts

if TYPE_CHECKING:
    from collections.abc import Callable

CLONE_FS: Final = 0x200

Result = TypeVar("Result")


def in_own_mounts(action: Callable[[], Result], *, joined: int | None = None) -> Result:
    """Run `action` in a private copy of a mount namespace: this process's own, or that of the descriptor `joined`.

    Mounts and unmounts of the action are seen by nobody else and vanish with the thread, but for trees that it opened
    (open_tree with OPEN_TREE_CLONE). Raises what the action raised, and OSError.
    """
    outcome: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            if LIBC.unshare(ctypes.c_int(CLONE_FS)) == -1:
                raise failure("unshare(CLONE_FS)")
            if joined is not None and LIBC.setns(ctypes.c_int(joined), ctypes.c_int(CLONE_NEWNS)) == -1:
                raise failure("mount namespace")
            unshare_mounts()
            outcome.append(action())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="estiba-mounts")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return outcome[0]
