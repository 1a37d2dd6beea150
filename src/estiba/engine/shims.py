"""The living shims: which container has one, and where its messages go."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from estiba.errors import Conflict
from estiba.runtime.monitor import Exited, Lost

if TYPE_CHECKING:
    from collections.abc import Callable

    from estiba.engine.loop import Loop
    from estiba.engine.reaper import Reaper
    from estiba.runtime.monitor import Event, Shim


class Shims:
    """Shims by key (a container's or exec's id), watched by the loop."""

    def __init__(self, loop: Loop, reaper: Reaper) -> None:
        self._loop = loop
        self._reaper = reaper
        self._lock = threading.Lock()
        self._shims: dict[str, Shim] = {}

    def add(self, key: str, shim: Shim, handler: Callable[[Event], None]) -> None:
        """Own a shim from now on: its messages go to the handler, on the loop's thread."""
        with self._lock:
            self._shims[key] = shim

        descriptor = shim.fileno()

        def ready() -> None:
            events = shim.read_events()
            if any(isinstance(event, Exited | Lost) for event in events):
                self._loop.forget(descriptor)  # the connection's end would wake the loop until the shim is dropped
            for event in events:
                handler(event)

        self._loop.watch(descriptor, ready)

    def find(self, key: str) -> Shim | None:
        """The shim, if it lives."""
        with self._lock:
            return self._shims.get(key)

    def get(self, key: str) -> Shim:
        """As `find`; raises Conflict."""
        shim = self.find(key)
        if shim is None:
            raise Conflict(f"container {key} is not running")
        return shim

    def drop(self, key: str) -> None:
        """Let go of a shim that ended. Idempotent."""
        with self._lock:
            shim = self._shims.pop(key, None)
        if shim is not None:
            self._loop.forget(shim.fileno())
            shim.close()
            self._reaper.reap_soon()

    def close(self) -> None:
        """Let go of all: the shims and their containers live on."""
        for key in list(self._shims):
            self.drop(key)
