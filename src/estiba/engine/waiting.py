"""Who waits for a container's end, and the answers. A wait that is registered before an end always sees it."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Literal

Condition = Literal["not-running", "next-exit", "removed"]


@dataclass(frozen=True)
class WaitResult:
    """How a container ended: Docker's exit code, and what went wrong if nobody can know it."""

    exit_code: int
    error: str = ""


@dataclass(frozen=True)
class ExpectedEnd:
    """Somebody asked for a container's end.

    stop: events tell of a stop. deadline: when SIGKILL follows (monotonic seconds). keep: not removed, even with --rm.
    """

    stop: bool
    deadline: float | None = None
    keep: bool = False


class ExpectedEnds:
    """The ends that were asked for, by container."""

    def __init__(self) -> None:
        self._expected: dict[str, ExpectedEnd] = {}

    def expect(self, container_id: str, end: ExpectedEnd) -> None:
        """The next end of this container was asked for."""
        self._expected[container_id] = end

    def take(self, container_id: str) -> ExpectedEnd | None:
        """It ended: what was expected."""
        return self._expected.pop(container_id, None)


class Waiters:
    """Futures by container and condition."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, list[tuple[Condition, Future[WaitResult]]]] = {}

    def add(self, container_id: str, condition: Condition) -> Future[WaitResult]:
        """A future that is answered when the condition next comes true."""
        future: Future[WaitResult] = Future()
        with self._lock:
            self._waiting.setdefault(container_id, []).append((condition, future))
        return future

    def answer(self, container_id: str, conditions: tuple[Condition, ...], result: WaitResult) -> None:
        """Answer everybody who waits for one of these conditions."""
        with self._lock:
            waiting = self._waiting.get(container_id, [])
            answered = [future for condition, future in waiting if condition in conditions]
            left = [(condition, future) for condition, future in waiting if condition not in conditions]
            if left:
                self._waiting[container_id] = left
            else:
                self._waiting.pop(container_id, None)
        for future in answered:
            if future.set_running_or_notify_cancel():
                future.set_result(result)


def exit_code(wait_status: int) -> int:
    """Docker's exit code of a wait status: the program's, or 128 + the signal that ended it."""
    return 128 + os.WTERMSIG(wait_status) if os.WIFSIGNALED(wait_status) else os.WEXITSTATUS(wait_status)
