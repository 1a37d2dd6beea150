"""What a new engine does first: find the containers that live on, learn of ends that happened meanwhile, finish what
was interrupted, and remove everything that has no owner.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import time
from typing import TYPE_CHECKING

from msgspec.structs import replace

from estiba.engine.container_events import container_event
from estiba.engine.lifecycle import SHIM_DIED
from estiba.engine.restarts import wants_start_with_engine
from estiba.engine.state import Container, Created, Exited, Removing, Restarting, Running
from estiba.errors import EstibaError

if TYPE_CHECKING:
    from estiba.engine.health import HealthChecks
    from estiba.engine.parts import Parts
    from estiba.engine.removal import Removal

log = logging.getLogger("estiba.reconcile")


class Reconciler:
    """Brings records, kernel and disk into agreement, once, before the engine serves anybody."""

    def __init__(self, parts: Parts, *, removal: Removal, health: HealthChecks) -> None:
        self._parts = parts
        self._removal = removal
        self._health = health

    def run(self) -> None:
        """Do it. Failures with single objects are logged; the others go on."""
        self._remove_strays()
        self._parts.storage.volumes.store.reconcile()
        self._parts.storage.images.store.reconcile()
        for container in self._parts.storage.records.all():
            try:
                self._settle(container)
            except (EstibaError, OSError) as error:
                log.warning("container %s: %s", container.name, error)
        self._parts.machinery.workers.submit(self._start_by_policy)

    def _settle(self, container: Container) -> None:
        match container.state:
            case Running():
                self._take_over(container)
            case Removing():
                self._removal.finish(container.id, volumes=True)
            case Restarting():
                self._parts.lifecycle.schedule_restart(container)
            case Exited() if container.host.auto_remove:
                self._removal.finish(container.id)

    def _take_over(self, container: Container) -> None:
        runtime = self._parts.machinery.runtime
        shim = runtime.adopt(container.id)
        if shim is not None:
            self._let_go_on(container)
            self._parts.lifecycle.own(container.id, shim)
            self._parts.execs.take_over(container)
            self._health.begin(container)
            return
        record = runtime.exit_record(container.id)
        if record is not None:
            self._parts.lifecycle.ended(container.id, record.wait_status, record.oom_kills, record.time_ns)
        else:
            self._parts.lifecycle.ended(container.id, signal.SIGKILL, 0, time.time_ns(), error=SHIM_DIED)

    def _let_go_on(self, container: Container) -> None:
        """Thaw what an earlier engine had frozen for itself, or had not yet recorded as paused."""
        if not isinstance(container.state, Running) or (container.state.paused and not container.state.held):
            return
        self._parts.machinery.runtime.thaw(container.id)
        if container.state.held:
            state = replace(container.state, paused=False, held=False)
            event = container_event(container, "unpause")
            self._parts.storage.records.put(replace(container, state=state), [event])

    def _start_by_policy(self) -> None:
        for container in self._parts.storage.records.all():
            if not isinstance(container.state, Exited | Created) or not container.ever_started:
                continue
            if wants_start_with_engine(container.host.restart_policy, stopped_by_user=container.stopped_by_user):
                try:
                    self._parts.lifecycle.start(container.id, by_policy=True)
                except EstibaError as error:
                    log.warning("container %s could not be started: %s", container.name, error)

    def _remove_strays(self) -> None:
        containers = self._parts.storage.records.all()
        places, known = self._parts.places, {container.id for container in containers}
        running = {container.id for container in containers if isinstance(container.state, Running)}
        for name in self._parts.machinery.runtime.containers():
            if name not in running:  # also a start that was never recorded, hence never answered
                self._parts.machinery.runtime.cleanup(name)
        self._parts.machinery.cgroups.remove_stray(f"/estiba/{places.root_id}", {*running, "shims"})
        for key in list(self._parts.storage.snapshots.keys()):
            if key not in known:
                self._parts.storage.snapshots.remove(key)
        for name in _names(places.root / "containers"):
            if name not in known:
                shutil.rmtree(places.root / "containers" / name, ignore_errors=True)


def _names(directory: os.PathLike[str]) -> list[str]:
    try:
        return os.listdir(directory)
    except FileNotFoundError:
        return []
