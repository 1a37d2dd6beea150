"""Collects the ends of this process's own children (shims, log readers) soon, so that none stays a zombie."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from estiba.engine.loop import Loop
    from estiba.runtime.create import Runtime

# a shim ends within milliseconds of being let go, on a busy machine later
_SOON: Final = (0.02, 0.3, 3.0)


class Reaper:
    """Tells the runtime when there is something to collect."""

    def __init__(self, loop: Loop, runtime: Runtime) -> None:
        self._loop = loop
        self._runtime = runtime

    def reap(self, pidfd: int) -> None:
        """Collect this child when it ends; the descriptor is given away."""
        self._loop.watch(pidfd, lambda: self._collect(pidfd))

    def reap_soon(self) -> None:
        """Collect a child that is about to end."""
        for seconds in _SOON:
            self._loop.call_later(seconds, self._runtime.reap)

    def _collect(self, pidfd: int) -> None:
        self._loop.forget(pidfd)
        os.close(pidfd)
        self._runtime.reap()
