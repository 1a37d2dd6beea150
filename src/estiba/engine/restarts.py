"""Restart policies: whether a container that ended is started again, and when (Docker's back-off)."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from estiba.engine.config import RestartPolicy
    from estiba.engine.loop import Loop, Timer

FIRST_DELAY = 0.1
LONGEST_DELAY = 60.0
STEADY_AFTER = 10.0


def wants_restart(policy: RestartPolicy, exit_code: int, restart_count: int, *, stopped_by_user: bool) -> bool:
    """Whether the policy starts a container again after such an end."""
    if stopped_by_user:
        return False
    if policy.name in ("always", "unless-stopped"):
        return True
    if policy.name == "on-failure" and exit_code != 0:
        return policy.maximum_retry_count == 0 or restart_count < policy.maximum_retry_count
    return False


def wants_start_with_engine(policy: RestartPolicy, *, stopped_by_user: bool) -> bool:
    """Whether an ended container is started when an engine takes over its root directory."""
    return policy.name == "always" or (policy.name == "unless-stopped" and not stopped_by_user)


class Restarts:
    """The restarts that are due. Delays: 0.1 s, doubled up to a minute; anew after 10 s of steady running."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._lock = threading.Lock()
        self._next_delay: dict[str, float] = {}
        self._timers: dict[str, Timer] = {}

    def delay(self, container_id: str, ran_for: float) -> float:
        """Seconds to wait after a run of that many seconds."""
        with self._lock:
            delay = FIRST_DELAY if ran_for >= STEADY_AFTER else self._next_delay.get(container_id, FIRST_DELAY)
            self._next_delay[container_id] = min(delay * 2, LONGEST_DELAY)
        return delay

    def schedule(self, container_id: str, seconds: float, callback: Callable[[], object]) -> None:
        """Call back, on the loop's thread, unless `forget` comes before."""
        timer = self._loop.call_later(seconds, callback)
        with self._lock:
            self._timers[container_id] = timer

    def forget(self, container_id: str) -> None:
        """No restart is due any more, and the next one begins with the shortest delay."""
        with self._lock:
            timer = self._timers.pop(container_id, None)
            self._next_delay.pop(container_id, None)
        if timer is not None:
            timer.cancel()

    def close(self) -> None:
        """No more restarts by this engine."""
        for container_id in list(self._timers):
            self.forget(container_id)
