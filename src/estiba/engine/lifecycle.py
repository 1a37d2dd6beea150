"""The life of a container: started, ended, started again by its policy, removed at its end with --rm.

Every change holds the container's lock and is one transaction with the events that tell of it. Ends arrive as messages
of the shims, on the loop's thread.
"""

from __future__ import annotations

import logging
import os
import signal as signals
import time
from typing import TYPE_CHECKING

from msgspec.structs import replace

from estiba.engine.container_events import container_event, network_events, volume_events
from estiba.engine.restarts import wants_restart
from estiba.engine.state import (
    Container,
    Created,
    Ended,
    Exited,
    Health,
    Removing,
    Restarting,
    Running,
    ended_of,
    not_watched,
)
from estiba.engine.waiting import WaitResult, exit_code
from estiba.errors import Conflict, EstibaError, NotFound, NotModified, StartFailed, SystemFailure
from estiba.runtime import monitor
from estiba.store.space import explained

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    from estiba.engine.attachments import HeldAttachments
    from estiba.engine.events import Event
    from estiba.engine.execs import Execs
    from estiba.engine.health import HealthChecks
    from estiba.engine.launching import Launcher
    from estiba.engine.records import ContainerRecords
    from estiba.engine.restarts import Restarts
    from estiba.engine.shims import Shims
    from estiba.engine.waiting import ExpectedEnd, ExpectedEnds, Waiters
    from estiba.runtime.create import Runtime

log = logging.getLogger("estiba.lifecycle")

RECORD_AGAIN = 1.0
SHIM_DIED = "the container's shim ended unexpectedly; the container was ended with it"


class Lifecycle:
    """Start and end of containers."""

    def __init__(
        self,
        *,
        records: ContainerRecords,
        waiters: Waiters,
        attachments: HeldAttachments,
        shims: Shims,
        launcher: Launcher,
        runtime: Runtime,
        execs: Execs,
        health: HealthChecks,
        ends: ExpectedEnds,
        restarts: Restarts,
        workers: Executor,
        remove: Callable[[str], None],
        later: Callable[[float, Callable[[], object]], object],
    ) -> None:
        self._records = records
        self._waiters = waiters
        self._attachments = attachments
        self._shims = shims
        self._launcher = launcher
        self._runtime = runtime
        self._execs = execs
        self._health = health
        self._ends = ends
        self._restarts = restarts
        self._workers = workers
        self._remove = remove
        self._later = later

    # starting

    def start(self, container_id: str, *, by_policy: bool = False) -> None:
        """Run a container; returns when its program runs.

        Raises NotModified when it runs already, Conflict when its state forbids it, StartFailed or another EstibaError
        when it cannot be started: the record then holds the exit code and the message.
        """
        with self._records.lock(container_id):
            container = self._startable(self._records.current(container_id), by_policy=by_policy)
            try:
                with explained(f"start container {container.name}", container.directory):
                    container = self._launch(container)
            except EstibaError as error:
                self._start_failed(container, error)
                raise
            except Exception as error:  # a fault of ours: who waits for this container must not wait for ever
                self._start_failed(container, SystemFailure(f"cannot start container {container.name}: {error}"))
                raise
            self._health.begin(container)

    def _startable(self, container: Container, *, by_policy: bool) -> Container:
        match container.state:
            case Running(paused=True):
                raise Conflict("cannot start a paused container, try unpause instead")
            case Running():
                raise NotModified(f"container {container.id} is already running")
            case Removing():
                raise Conflict("container is marked for removal and cannot be started")
        if by_policy:
            return container
        self._restarts.forget(container.id)
        return replace(container, restart_count=0, stopped_by_user=False)

    def _launch(self, container: Container) -> Container:
        bundle = self._launcher.bundle(container)
        previous = ended_of(container.state)
        attachments = self._attachments.take(container.id)
        try:
            shim = self._runtime.start(bundle, attachments)
        except BaseException:
            _hang_up(attachments)
            raise
        started = time.time_ns()
        running = replace(
            container,
            state=Running(pid=shim.pid, started_at=started, previous_finish=previous.finished_at),
            ever_started=True,
            health=Health() if container.health is not None else None,
            log_path=str(bundle.log.directory / bundle.log.name) if bundle.log is not None else "",
        )
        self.own(running.id, shim)  # whoever sees that it runs finds its shim
        try:
            self._records.put(
                running,
                [
                    *volume_events(running, "mount"),
                    *network_events(running, "connect"),
                    container_event(running, "start", time=started),
                ],
            )
        except BaseException:
            self._shims.drop(running.id)
            self._clean_up(running.id)
            raise
        return running

    def own(self, container_id: str, shim: monitor.Shim) -> None:
        """Receive a shim's messages from now on."""
        self._shims.add(container_id, shim, lambda event: self._on_event(container_id, event))

    def _start_failed(self, container: Container, error: EstibaError) -> None:
        code = error.exit_code if isinstance(error, StartFailed) else 128
        self._attachments.drop(container.id)
        self._launcher.forget(container.id)
        if container.ever_started:
            ended = replace(ended_of(container.state), exit_code=code, error=error.message)
            failed = replace(container, state=Exited(ended=ended))
        else:
            failed = replace(container, state=Created(exit_code=code, error=error.message))
        self._records.put(failed, network_events(failed, "disconnect"))
        self._waiters.answer(failed.id, ("not-running", "next-exit"), WaitResult(code))
        self._after_end(failed)

    # ending

    def _on_event(self, container_id: str, event: monitor.Event) -> None:
        match event:
            case monitor.Exited(wait_status=status, oom_kills=kills, time_ns=when):
                self._in_order(container_id, lambda: self.ended(container_id, status, kills, when))
            case monitor.Lost():
                self._in_order(container_id, lambda: self._lost(container_id))
            case monitor.OutOfMemory():
                container = self._records.find(container_id)
                if container is not None:
                    self._records.tell(container_event(container, "oom"))
            case monitor.Detached():
                container = self._records.find(container_id)
                if container is not None:
                    self._records.tell(container_event(container, "detach"))
            case monitor.LogStalled(errno=number):
                log.warning("container %s: the log cannot be written (%s)", container_id, os.strerror(number))
            case monitor.LogResumed(dropped=dropped):
                log.warning("container %s: the log goes on; %d bytes were lost", container_id, dropped)

    def _in_order(self, container_id: str, handle: Callable[[], None]) -> None:
        """Handle here when nobody holds the container's lock; the loop never waits for it."""
        lock = self._records.lock(container_id)
        if lock.acquire(blocking=False):
            try:
                self._insist(handle)
            finally:
                lock.release()
        else:
            self._workers.submit(self._insist, handle)

    def _insist(self, handle: Callable[[], None]) -> None:
        """Nobody tells of an end twice: where it cannot be recorded (a full disk), try again until it can."""
        try:
            handle()
        except Exception as error:
            log.warning("the end of a container is recorded later: %s", error)
            self._later(RECORD_AGAIN, lambda: self._workers.submit(self._insist, handle))

    def _lost(self, container_id: str) -> None:
        record = self._runtime.exit_record(container_id)
        if record is not None:
            self.ended(container_id, record.wait_status, record.oom_kills, record.time_ns)
        else:
            self.ended(container_id, signals.SIGKILL, 0, time.time_ns(), error=SHIM_DIED)

    def ended(self, container_id: str, wait_status: int, oom_kills: int, when: int, *, error: str = "") -> None:
        """Record an end, tell of it, clean up, and do what the policy says."""
        with self._records.lock(container_id):
            try:
                container = self._records.current(container_id)
            except NotFound:
                return
            if not isinstance(container.state, Running):
                return
            self._health.end(container_id)
            self._execs.container_ended(container_id)
            self._launcher.forget(container_id)
            code = exit_code(wait_status)
            request = self._ends.take(container_id)
            ended = Ended(
                exit_code=code,
                oom_killed=oom_kills > 0,
                error=error,
                started_at=container.state.started_at,
                finished_at=when,
            )
            container = replace(self._with_policy(container, ended), health=not_watched(container.health))
            try:
                self._records.put(container, self._end_events(container, ended, request))
            except BaseException:
                if request is not None:
                    self._ends.expect(container_id, request)
                raise
            # now the shim may hang up on its clients, who must find the new state when they look
            self._shims.drop(container_id)
            self._waiters.answer(container_id, ("not-running", "next-exit"), WaitResult(code, error))
            self._clean_up(container_id)
        self._after_end(container, keep=request is not None and request.keep)

    def _clean_up(self, container_id: str) -> None:
        """Only after the record: the run directory holds the other account of the end, until that one is safe."""
        try:
            self._runtime.cleanup(container_id)
        except EstibaError as error:
            log.warning("container %s: %s", container_id, error)

    def _with_policy(self, container: Container, ended: Ended) -> Container:
        if not wants_restart(
            container.host.restart_policy,
            ended.exit_code,
            container.restart_count,
            stopped_by_user=container.stopped_by_user,
        ):
            return replace(container, state=Exited(ended=ended))
        delay = self._restarts.delay(container.id, (ended.finished_at - ended.started_at) / 1e9)
        state = Restarting(ended=ended, next_start=ended.finished_at + int(delay * 1e9))
        return replace(container, state=state, restart_count=container.restart_count + 1)

    def _end_events(self, container: Container, ended: Ended, request: ExpectedEnd | None) -> list[Event]:
        events: list[Event] = []
        if request is not None and request.deadline is not None and time.monotonic() >= request.deadline:
            events.append(container_event(container, "kill", {"signal": "9"}))
        events += [*network_events(container, "disconnect"), *volume_events(container, "unmount")]
        if request is not None and request.stop:
            events.append(container_event(container, "stop"))
        duration = str(max(0, ended.finished_at - ended.started_at) // 1_000_000_000)
        attributes = {"execDuration": duration, "exitCode": str(ended.exit_code)}
        events.append(container_event(container, "die", attributes, time=ended.finished_at))
        return events

    def _after_end(self, container: Container, *, keep: bool = False) -> None:
        if isinstance(container.state, Restarting):
            self.schedule_restart(container)
        elif container.host.auto_remove and not keep:
            self._workers.submit(self._remove_quietly, container.id)

    def _remove_quietly(self, container_id: str) -> None:
        try:
            self._remove(container_id)
        except EstibaError as error:
            log.warning("container %s could not be removed at its end: %s", container_id, error)

    # restarting

    def schedule_restart(self, container: Container) -> None:
        """Start again at the time that the state names."""
        if not isinstance(container.state, Restarting):
            return
        delay = max(0.0, (container.state.next_start - time.time_ns()) / 1e9)
        self._restarts.schedule(
            container.id, delay, lambda: self._workers.submit(self._restart_by_policy, container.id)
        )

    def _restart_by_policy(self, container_id: str) -> None:
        with self._records.lock(container_id):
            container = self._records.find(container_id)
            if container is None or not isinstance(container.state, Restarting):
                return  # somebody stopped it meanwhile
            try:
                self.start(container_id, by_policy=True)
            except EstibaError as error:
                log.warning("container %s could not be started again: %s", container_id, error)


def _hang_up(attachments: Sequence[monitor.Attachment]) -> None:
    for attachment in attachments:
        try:
            os.close(attachment.descriptor)
        except OSError:
            log.debug("an attachment was closed already")
