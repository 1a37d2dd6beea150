"""What a user does to a running container: stop, kill, restart, pause, unpause, resize."""

from __future__ import annotations

import time
from concurrent.futures import Future
from contextlib import suppress
from signal import SIGKILL, SIGTERM
from typing import TYPE_CHECKING

from msgspec.structs import replace

from estiba.engine.container_events import container_event
from estiba.engine.signals import parse_signal, signal_number
from estiba.engine.state import Container, Exited, Restarting, Running, not_watched
from estiba.engine.waiting import ExpectedEnd
from estiba.errors import Conflict, InvalidArgument, NotFound, NotModified, SystemFailure

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from estiba.engine.events import Event
    from estiba.engine.lifecycle import Lifecycle
    from estiba.engine.records import ContainerRecords
    from estiba.engine.restarts import Restarts
    from estiba.engine.shims import Shims
    from estiba.engine.waiting import ExpectedEnds, Waiters, WaitResult
    from estiba.runtime.cgroup import Cgroup
    from estiba.runtime.create import Runtime

DEFAULT_TIMEOUT = 10
LONGEST_TIMEOUT = 1 << 31


class Signalling:
    """Ends, halts and wakes containers."""

    def __init__(
        self,
        *,
        records: ContainerRecords,
        shims: Shims,
        waiters: Waiters,
        lifecycle: Lifecycle,
        ends: ExpectedEnds,
        restarts: Restarts,
        runtime: Runtime,
        workers: Executor,
    ) -> None:
        self._records = records
        self._shims = shims
        self._waiters = waiters
        self._lifecycle = lifecycle
        self._ends = ends
        self._restarts = restarts
        self._runtime = runtime
        self._workers = workers

    def stop(self, reference: str, *, signal: str = "", timeout: int | None = None) -> Future[None]:
        """Ask the program to end, and kill it after `timeout` seconds (-1: never; None: the container's, or 10).

        The future is done when it has ended. Raises NotModified when it does not run, InvalidArgument for a bad signal.
        """
        container = self._records.get(reference)
        number = self._stop_signal(container, reference, signal)
        with self._records.lock(container.id):
            container = self._records.current(container.id)
            if isinstance(container.state, Restarting):
                self._give_up_restarting(container)
                return _done()
            if not isinstance(container.state, Running):
                raise NotModified(f"container {container.id} is already stopped")
            return self._stop_running(container, number, timeout, keep=False)

    def _stop_running(self, container: Container, number: int, timeout: int | None, *, keep: bool) -> Future[None]:
        seconds = self._timeout(container, timeout)
        ended = self._waiters.add(container.id, "not-running")
        deadline = None if seconds < 0 else time.monotonic() + seconds
        self._records.put(replace(container, stopped_by_user=True), [_kill_event(container, number)])
        self._ends.expect(container.id, ExpectedEnd(stop=True, deadline=deadline, keep=keep))
        shim = self._shims.get(container.id)
        with suppress(Conflict):  # it is just ending by itself
            if isinstance(container.state, Running) and container.state.paused:
                shim.signal(SIGKILL)
                self._cgroup(container).thaw()
            else:
                shim.stop(number, None if seconds < 0 else seconds * 1000)
        return _after(ended)

    def _give_up_restarting(self, container: Container) -> None:
        if isinstance(container.state, Restarting):
            self._restarts.forget(container.id)
            ended = container.state.ended
            self._records.put(replace(container, state=Exited(ended=ended), stopped_by_user=True))

    def restart(self, reference: str, *, signal: str = "", timeout: int | None = None) -> Future[None]:
        """Stop if it runs, then start. The future is done when the program runs again, or failed to."""
        container = self._records.get(reference)
        number = self._stop_signal(container, reference, signal)
        with self._records.lock(container.id):
            container = self._records.current(container.id)
            if isinstance(container.state, Restarting):
                self._give_up_restarting(container)
            if isinstance(container.state, Running):
                ended = self._stop_running(container, number, timeout, keep=True)
            else:
                ended = _done()
        future: Future[None] = Future()
        ended.add_done_callback(lambda _: self._workers.submit(self._start_again, container.id, future))
        return future

    def _start_again(self, container_id: str, future: Future[None]) -> None:
        try:
            self._lifecycle.start(container_id)
            container = self._records.current(container_id)
            self._records.tell(container_event(container, "restart"))
        except NotModified:
            future.set_result(None)
        except Exception as error:
            future.set_exception(error)
        else:
            future.set_result(None)

    def kill(self, reference: str, signal: str = "KILL") -> Future[None]:
        """Send a signal to the container's first process; for KILL the future is done when it has ended."""
        try:
            container = self._records.get(reference)
        except NotFound as error:
            raise NotFound(f"cannot kill container: {reference}: {error}") from None
        try:
            number = parse_signal(signal or "KILL")
        except InvalidArgument as error:
            problem = str(error)
            if signal.removeprefix("-").strip("0").isdigit():
                problem = f"the linux daemon does not support signal {signal}"
            raise InvalidArgument(f"cannot kill container: {reference}: {problem}") from None
        with self._records.lock(container.id):
            container = self._records.current(container.id)
            if isinstance(container.state, Restarting):
                self._give_up_restarting(container)
                return _done()
            if not isinstance(container.state, Running):
                raise Conflict(f"cannot kill container: {reference}: container {container.id} is not running")
            ends = number in (SIGKILL, SIGTERM, self._stop_signal(container, reference, ""))
            killed = replace(container, stopped_by_user=True) if ends else container
            ended = self._waiters.add(container.id, "not-running") if number == SIGKILL else None
            self._shims.get(container.id).signal(number)
            self._records.put(killed, [_kill_event(container, number)])
            if number == SIGKILL and container.state.paused:
                self._cgroup(container).thaw()
        return _after(ended) if ended is not None else _done()

    def pause(self, reference: str, *, held: bool = False) -> None:
        """Freeze all processes of a container; held: only while this engine lives."""
        container = self._records.get(reference)
        with self._records.lock(container.id):
            container = self._records.current(container.id)
            if isinstance(container.state, Restarting):
                raise Conflict(f"Container {container.id} is restarting, wait until the container is running")
            if not isinstance(container.state, Running):
                raise Conflict(f"container {container.id} is not running")
            if container.state.paused:
                raise Conflict(f"Container {container.id} is already paused")
            self._cgroup(container).freeze()
            state = replace(container.state, paused=True, held=held)
            paused = replace(container, state=state, health=not_watched(container.health))
            try:
                self._records.put(paused, [container_event(container, "pause")])
            except BaseException:
                self._cgroup(container).thaw()
                raise

    def unpause(self, reference: str) -> None:
        """Let the processes go on."""
        container = self._records.get(reference)
        with self._records.lock(container.id):
            container = self._records.current(container.id)
            if not isinstance(container.state, Running) or not container.state.paused:
                raise SystemFailure(f"Container {container.id} is not paused")
            self._cgroup(container).thaw()
            running = replace(container, state=replace(container.state, paused=False, held=False))
            self._records.put(running, [container_event(container, "unpause")])

    def resize(self, reference: str, rows: int, columns: int) -> None:
        """Set the size of the container's terminal."""
        container = self._records.get(reference)
        if not isinstance(container.state, Running):
            raise Conflict(f"container {container.id} is not running")
        if container.config.tty:
            self._shims.get(container.id).resize(rows, columns)
        self._records.tell(container_event(container, "resize", {"height": str(rows), "width": str(columns)}))

    def _stop_signal(self, container: Container, reference: str, asked: str) -> int:
        if not asked:
            with suppress(InvalidArgument):  # an image may name a signal that there is not
                return signal_number(container.config.stop_signal, SIGTERM)
            return SIGTERM
        try:
            return parse_signal(asked)
        except InvalidArgument as error:
            raise InvalidArgument(f"cannot stop container: {reference}: {error}") from None

    def _timeout(self, container: Container, asked: int | None) -> int:
        if asked is None:
            configured = container.config.stop_timeout
            asked = DEFAULT_TIMEOUT if configured is None else configured
        return min(asked, LONGEST_TIMEOUT)

    def _cgroup(self, container: Container) -> Cgroup:
        return self._runtime.cgroup(container.id)


def _kill_event(container: Container, number: int) -> Event:
    return container_event(container, "kill", {"signal": str(number)})


def _done() -> Future[None]:
    future: Future[None] = Future()
    future.set_result(None)
    return future


def _after(ended: Future[WaitResult]) -> Future[None]:
    future: Future[None] = Future()
    ended.add_done_callback(lambda _: future.set_result(None))
    return future
