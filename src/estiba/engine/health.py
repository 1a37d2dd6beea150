"""Health checks: a probe at every interval while a container runs, its last five results, and its status.

One timer or one probe per container at a time, all on the loop and the workers: no thread waits. A new engine goes on
with the status that was recorded, and a streak that begins anew.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec.structs import replace

from estiba.engine.config import ExecConfig, HealthCheck
from estiba.engine.container_events import container_event
from estiba.engine.state import Container, Health, Probe, Running
from estiba.errors import EstibaError, StartFailed

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from estiba.engine.execs import Execs
    from estiba.engine.loop import Loop, Timer
    from estiba.engine.records import ContainerRecords

SECOND = 1_000_000_000
DEFAULT_INTERVAL = 30 * SECOND
DEFAULT_TIMEOUT = 30 * SECOND
DEFAULT_START_INTERVAL = 5 * SECOND
DEFAULT_RETRIES = 3
LEAST = SECOND // 1000  # an image's own check may ask for less than a request can
KEPT_PROBES = 5
MOST_OUTPUT = 4096
STOPPED_BY_TIMEOUT = -1
NOT_STARTED = -1


@dataclass
class _Watch:
    """One container under observation, in its present life."""

    check: HealthCheck
    started: float
    timer: Timer | None = None
    exec_id: str = ""
    probe_started: int = 0
    output: bytearray = field(default_factory=bytearray)
    reader: socket.socket | None = None
    timed_out: bool = False


class HealthChecks:
    """The health checks of one engine."""

    def __init__(self, *, records: ContainerRecords, loop: Loop, workers: Executor) -> None:
        self._records = records
        self._loop = loop
        self._workers = workers
        self._lock = threading.RLock()
        self._watches: dict[str, _Watch] = {}
        self._execs: Execs | None = None

    def use(self, execs: Execs) -> None:
        """With what the probes are run."""
        self._execs = execs

    def begin(self, container: Container) -> None:
        """Observe a container that runs now; nothing to do when it has no check."""
        check = container.config.healthcheck
        if check is None or not container.config.has_health_check:
            return
        with self._lock:
            self._watches[container.id] = watch = _Watch(check=check, started=time.monotonic())
            self._schedule(container.id, watch, starting=True)

    def end(self, container_id: str) -> None:
        """It does not run any more."""
        with self._lock:
            watch = self._watches.pop(container_id, None)
            if watch is None:
                return
            if watch.timer is not None:
                watch.timer.cancel()
            self._close_reader(watch)

    def close(self) -> None:
        """Observe nothing any more."""
        for container_id in list(self._watches):
            self.end(container_id)

    def _schedule(self, container_id: str, watch: _Watch, *, starting: bool) -> None:
        check = watch.check
        seconds = max(check.interval or DEFAULT_INTERVAL, LEAST) / SECOND
        in_start_period = time.monotonic() - watch.started < check.start_period / SECOND
        if starting and in_start_period:
            seconds = max(check.start_interval or DEFAULT_START_INTERVAL, LEAST) / SECOND
        watch.timer = self._loop.call_later(seconds, lambda: self._submit(container_id, watch))

    def _submit(self, container_id: str, watch: _Watch) -> None:
        self._workers.submit(self._probe, container_id, watch)

    def _probe(self, container_id: str, watch: _Watch) -> None:
        container = self._records.find(container_id)
        if container is None or self._execs is None or self._watches.get(container_id) is not watch:
            return
        if not isinstance(container.state, Running) or container.state.paused:
            with self._lock:
                self._schedule(container_id, watch, starting=False)
            return
        watch.probe_started = time.time_ns()
        watch.output.clear()
        watch.timed_out = False
        try:
            self._run(container, watch)
        except StartFailed as error:
            self._finish(container_id, watch, NOT_STARTED, error.message)
        except (EstibaError, OSError) as error:
            self._finish(container_id, watch, 1, str(error))

    def _run(self, container: Container, watch: _Watch) -> None:
        execs = self._execs
        if execs is None:
            return
        config = ExecConfig(cmd=_command(watch.check, container), attach_stdout=True, attach_stderr=True, tty=False)
        watch.exec_id = execs.create(container.id, config)
        ours, theirs = socket.socketpair()
        with self._lock:
            if self._watches.get(container.id) is not watch:
                ours.close()
                theirs.close()
                return
            watch.reader = ours
        ours.setblocking(False)
        self._loop.watch(ours.fileno(), lambda: self._read(watch))
        descriptor = theirs.detach()
        try:
            execs.start(watch.exec_id, descriptor, observer=lambda code: self._on_exit(container.id, watch, code))
        except BaseException:
            os.close(descriptor)
            raise
        limit = max(watch.check.timeout or DEFAULT_TIMEOUT, LEAST) / SECOND
        with self._lock:
            if watch.exec_id:
                watch.timer = self._loop.call_later(limit, lambda: self._time_out(watch))

    def _read(self, watch: _Watch) -> None:
        reader = watch.reader
        if reader is None:
            return
        try:
            data = reader.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close_reader(watch)
        elif len(watch.output) < MOST_OUTPUT * 2:
            watch.output += data

    def _close_reader(self, watch: _Watch) -> None:
        reader, watch.reader = watch.reader, None
        if reader is not None:
            self._loop.forget(reader.fileno())
            reader.close()

    def _time_out(self, watch: _Watch) -> None:
        if watch.exec_id and self._execs is not None:
            watch.timed_out = True
            self._execs.kill(watch.exec_id)

    def _on_exit(self, container_id: str, watch: _Watch, code: int) -> None:
        while watch.reader is not None and _readable(watch.reader):
            self._read(watch)
        output = _unframe(bytes(watch.output))
        text = output[:MOST_OUTPUT].decode(errors="replace") + ("..." if len(output) > MOST_OUTPUT else "")
        if watch.timed_out:
            seconds = (watch.check.timeout or DEFAULT_TIMEOUT) / SECOND
            code, text = (
                STOPPED_BY_TIMEOUT,
                f"Health check exceeded timeout ({_duration(seconds)}){': ' + text if text else ''}",
            )
        # the record's lock may be held by somebody who waits for this very thread
        self._workers.submit(self._finish, container_id, watch, code, text)

    def _finish(self, container_id: str, watch: _Watch, code: int, output: str) -> None:
        with self._lock:
            if watch.timer is not None:
                watch.timer.cancel()
            watch.exec_id = ""
            self._close_reader(watch)
        probe = Probe(start=watch.probe_started, end=time.time_ns(), exit_code=code, output=output)
        with self._records.lock(container_id):
            container = self._records.find(container_id)
            if container is None or self._watches.get(container_id) is not watch:
                return
            if not isinstance(container.state, Running):
                return
            health = container.health or Health()
            if not container.state.paused:  # what a probe found before the pause says nothing now
                health = self._judge(health, watch, probe)
                changed = container.health is None or container.health.status != health.status
                updated = replace(container, health=health)
                events = [container_event(container, f"health_status: {health.status}")] if changed else []
                self._records.put(updated, events)
        with self._lock:
            if self._watches.get(container_id) is watch:
                self._schedule(container_id, watch, starting=health.status == "starting")

    def _judge(self, health: Health, watch: _Watch, probe: Probe) -> Health:
        log = (*health.log, probe)[-KEPT_PROBES:]
        if probe.exit_code == 0:
            return Health(status="healthy", failing_streak=0, log=log)
        in_start_period = time.monotonic() - watch.started < watch.check.start_period / SECOND
        if health.status == "starting" and in_start_period:
            return replace(health, log=log)
        streak = health.failing_streak + 1
        failed = streak >= (watch.check.retries or DEFAULT_RETRIES)
        return Health(status="unhealthy" if failed else health.status, failing_streak=streak, log=log)


def _command(check: HealthCheck, container: Container) -> list[str]:
    kind, *words = check.test or []
    if kind == "CMD":
        return words
    return [*(container.config.shell or ["/bin/sh", "-c"]), *words]


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:g}ms" if seconds < 1 else f"{seconds:g}s"


def _readable(reader: socket.socket) -> bool:
    try:
        return bool(reader.recv(1, socket.MSG_PEEK))
    except OSError:
        return False


def _unframe(data: bytes) -> bytes:
    text, position = bytearray(), 0
    while position + 8 <= len(data):
        length = int.from_bytes(data[position + 4 : position + 8], "big")
        text += data[position + 8 : position + 8 + length]
        position += 8 + length
    return bytes(text)
