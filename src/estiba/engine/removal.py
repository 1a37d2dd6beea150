"""Removing containers so that no crash leaves half of one: what has no record is nobody's, removed at the next start.

So the record goes first, then the files. Where anonymous volumes go along, the record says `removing` before, and an
engine that finds that finishes the removal.
"""

from __future__ import annotations

import logging
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec.structs import replace

from estiba.engine.container_events import container_event
from estiba.engine.state import Container, Dead, Removing, Restarting, Running, ended_of
from estiba.engine.waiting import ExpectedEnd, WaitResult
from estiba.errors import Conflict, EstibaError, NotFound, SystemFailure

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor
    from pathlib import Path

    from estiba.engine.attachments import HeldAttachments
    from estiba.engine.execs import Execs
    from estiba.engine.ports import Snapshots
    from estiba.engine.records import ContainerRecords
    from estiba.engine.restarts import Restarts
    from estiba.engine.shims import Shims
    from estiba.engine.waiting import ExpectedEnds, Waiters
    from estiba.runtime.create import Runtime

log = logging.getLogger("estiba.removal")


class Removal:
    """Removes containers and what they own."""

    def __init__(
        self,
        *,
        records: ContainerRecords,
        waiters: Waiters,
        attachments: HeldAttachments,
        shims: Shims,
        execs: Execs,
        ends: ExpectedEnds,
        restarts: Restarts,
        runtime: Runtime,
        snapshots: Snapshots,
        directory: Callable[[str], Path],
        discard: Callable[[Path], None],
        remove_volume: Callable[[str], None],
        workers: Executor,
    ) -> None:
        self._records = records
        self._waiters = waiters
        self._attachments = attachments
        self._shims = shims
        self._execs = execs
        self._ends = ends
        self._restarts = restarts
        self._runtime = runtime
        self._snapshots = snapshots
        self._directory = directory
        self._discard = discard
        self._remove_volume = remove_volume
        self._workers = workers

    def remove(self, reference: str, *, force: bool = False, volumes: bool = False) -> Future[None]:
        """Remove a container; with force also one that runs, with volumes also its anonymous volumes.

        The future is done when it is gone. Raises Conflict when it runs and force is not given.
        """
        container = self._records.get(reference)
        with self._records.lock(container.id):
            container = self._records.current(container.id)
            if isinstance(container.state, (Running, Restarting)) and not force:
                raise Conflict(f'cannot remove container "{reference}": {_obstacle(container)}')
            self._restarts.forget(container.id)
            if not isinstance(container.state, Running):
                self._remove_now(container, volumes=volumes)
                return _done()
            ended = self._waiters.add(container.id, "not-running")
            self._end(container)
        future: Future[None] = Future()
        ended.add_done_callback(lambda _: self._workers.submit(self._after_end, container.id, volumes, future))
        return future

    def _end(self, container: Container) -> None:
        self._records.put(
            replace(container, stopped_by_user=True), [container_event(container, "kill", {"signal": "9"})]
        )
        self._ends.expect(container.id, ExpectedEnd(stop=False, keep=True))
        with suppress(Conflict):  # it is just ending by itself
            self._shims.get(container.id).signal(9)
        if isinstance(container.state, Running) and container.state.paused:
            self._runtime.thaw(container.id)

    def _after_end(self, container_id: str, volumes: bool, future: Future[None]) -> None:
        try:
            if self._finished(container_id, volumes=volumes):
                future.set_result(None)
            else:  # somebody has started it again
                again = self.remove(container_id, force=True, volumes=volumes)
                again.add_done_callback(lambda _: _pass_on(again, future))
        except NotFound:
            future.set_result(None)
        except Exception as error:
            future.set_exception(error)

    def finish(self, container_id: str, *, volumes: bool = False) -> None:
        """Remove a container unless it runs (again); harmless when it is gone."""
        self._finished(container_id, volumes=volumes)

    def _finished(self, container_id: str, *, volumes: bool) -> bool:
        """Remove it unless it runs; whether it is gone."""
        with self._records.lock(container_id):
            found = self._records.find(container_id)
            if found is None:
                return True
            if isinstance(found.state, Running):
                return False
            self._restarts.forget(container_id)
            self._remove_now(found, volumes=volumes or found.host.auto_remove)
            return True

    def _remove_now(self, container: Container, *, volumes: bool) -> None:
        ended = ended_of(container.state)
        owned = [mount.name for mount in container.mounts if mount.anonymous] if volumes else []
        if owned:
            self._records.put(replace(container, state=Removing(ended=ended)))
        try:
            self._runtime.cleanup(container.id)
            for name in owned:
                with suppress(Conflict, NotFound):  # another container has it by now (--volumes-from), or it is gone
                    self._remove_volume(name)
        except (OSError, EstibaError) as error:
            self._records.put(replace(container, state=Dead(ended=replace(ended, error=str(error)))))
            raise SystemFailure(f"cannot remove container {container.name}: {error}; try again") from error
        self._attachments.drop(container.id)
        self._execs.container_removed(container.id)
        self._records.remove(container, [container_event(container, "destroy")])
        self._discard_files(container.id)
        result = WaitResult(ended.exit_code)
        self._waiters.answer(container.id, ("removed", "not-running", "next-exit"), result)

    def _discard_files(self, container_id: str) -> None:
        try:
            self._snapshots.remove(container_id)
            self._discard(self._directory(container_id))
        except (OSError, EstibaError) as error:
            log.warning("files of the removed container %s go at the engine's next start: %s", container_id, error)


def _obstacle(container: Container) -> str:
    if isinstance(container.state, Restarting):
        return "container is restarting: stop the container before removing or force remove"
    if isinstance(container.state, Running) and container.state.paused:
        return "container is paused and must be unpaused first"
    return "container is running: stop the container before removing or force remove"


def _pass_on(source: Future[None], target: Future[None]) -> None:
    error = source.exception()
    if error is None:
        target.set_result(None)
    else:
        target.set_exception(error)


def _done() -> Future[None]:
    future: Future[None] = Future()
    future.set_result(None)
    return future
