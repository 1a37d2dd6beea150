"""The one thread that waits: for shims' messages, processes' ends and timers (epoll). Callbacks are short or hand on.

Lifecycle: made by the engine, `start()`ed once, `close()`d with it. Nothing else in the engine waits for a container.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import os
import select
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("estiba.loop")

# epoll_wait(2) takes milliseconds as an int: not even 25 days
_LONGEST_PAUSE = 3600.0


class Timer:
    """A call in the future; `cancel()` makes it not happen."""

    __slots__ = ("_callback", "cancelled", "due")

    def __init__(self, due: float, callback: Callable[[], object]) -> None:
        self.due = due
        self._callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        """Forget the call; harmless when it already happened."""
        self.cancelled = True

    def run(self) -> None:
        """Call, unless cancelled."""
        if not self.cancelled:
            self._callback()


class Loop:
    """Watches descriptors and timers in one owned thread. All methods may be called from any thread."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._epoll.register(self._wake, select.EPOLLIN)
        self._watched: dict[int, Callable[[], object]] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._lock = threading.Lock()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="estiba-loop", daemon=True)

    def start(self) -> None:
        """Begin to wait."""
        self._thread.start()

    def watch(self, descriptor: int, callback: Callable[[], object], events: int = select.EPOLLIN) -> None:
        """Call back whenever the descriptor is ready, until `forget`."""
        with self._lock:
            self._watched[descriptor] = callback
        self._epoll.register(descriptor, events)

    def forget(self, descriptor: int) -> None:
        """Stop watching; must come before the descriptor is closed. Harmless when it is not watched."""
        with self._lock:
            known = self._watched.pop(descriptor, None)
        if known is not None:
            self._epoll.unregister(descriptor)

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        """Call back once after that time."""
        timer = Timer(time.monotonic() + seconds, callback)
        with self._lock:
            heapq.heappush(self._timers, (timer.due, next(self._order), timer))
            first = self._timers[0][2] is timer
        if first and threading.current_thread() is not self._thread:
            os.eventfd_write(self._wake, 1)
        return timer

    def close(self) -> None:
        """End the thread and release its descriptors. Callbacks that have not run are dropped."""
        self._closing = True
        os.eventfd_write(self._wake, 1)
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join()
        self._epoll.close()
        os.close(self._wake)

    def _run(self) -> None:
        while not self._closing:
            for descriptor, _ in self._epoll.poll(self._pause()):
                if descriptor == self._wake:
                    os.eventfd_read(self._wake)
                    continue
                with self._lock:
                    callback = self._watched.get(descriptor)
                if callback is not None:
                    _guard(callback)
            self._run_due()

    def _pause(self) -> float | None:
        with self._lock:
            while self._timers and self._timers[0][2].cancelled:
                heapq.heappop(self._timers)
            if not self._timers:
                return None
            return min(max(0.0, self._timers[0][0] - time.monotonic()), _LONGEST_PAUSE)

    def _run_due(self) -> None:
        now = time.monotonic()
        while True:
            with self._lock:
                if not self._timers or self._timers[0][0] > now:
                    return
                timer = heapq.heappop(self._timers)[2]
            _guard(timer.run)


def _guard(callback: Callable[[], object]) -> None:
    try:
        callback()
    except Exception:
        log.exception("a callback of the engine's loop failed")
