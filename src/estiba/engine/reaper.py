"""Collects the ends of this process's own children (shims, log readers), so that none stays a zombie."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from estiba.engine.loop import Loop


class Reaper:
    """Waits, on the loop, for processes by pidfd."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    def reap(self, pidfd: int) -> None:
        """Collect this child when it ends; the descriptor is given away."""
        self._loop.watch(pidfd, lambda: self._collect(pidfd))

    def _collect(self, pidfd: int) -> None:
        self._loop.forget(pidfd)
        # a library's host program may have waited for all children itself
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)
        os.close(pidfd)
