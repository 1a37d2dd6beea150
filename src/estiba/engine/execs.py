"""Additional processes in running containers: recorded, started with their streams, and how they ended.

Records live in memory and, while a process runs, in its run directory: a new engine finds them there. Ended ones are
remembered for a while.
"""

from __future__ import annotations

import functools
import secrets
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from estiba.engine.attachments import parse_detach_keys
from estiba.engine.config import ExecConfig
from estiba.engine.container_events import container_event
from estiba.engine.request.validate import check_text
from estiba.engine.state import Container, Restarting, Running
from estiba.engine.waiting import exit_code
from estiba.errors import Conflict, EstibaError, InvalidArgument, NotFound, StartFailed, SystemFailure
from estiba.runtime import monitor

if TYPE_CHECKING:
    from collections.abc import Callable

    from estiba.engine.launching import Launcher
    from estiba.engine.loop import Loop
    from estiba.engine.records import ContainerRecords
    from estiba.engine.shims import Shims
    from estiba.runtime.create import Runtime

REMEMBERED_FOR = 300.0
CONFIG = "config.json"


@dataclass(frozen=True)
class ExecRecord:
    """An exec: what was asked for and how it is. exit_code is None until it ended."""

    id: str
    container_id: str
    config: ExecConfig
    running: bool = False
    started: bool = False
    exit_code: int | None = None
    pid: int = 0

    @property
    def command(self) -> list[str]:
        """The words to execute."""
        return self.config.cmd or []


class Execs:
    """All execs of one engine."""

    def __init__(
        self, *, records: ContainerRecords, shims: Shims, runtime: Runtime, launcher: Launcher, loop: Loop
    ) -> None:
        self._records = records
        self._shims = shims
        self._runtime = runtime
        self._launcher = launcher
        self._loop = loop
        self._lock = threading.Lock()
        self._execs: dict[str, ExecRecord] = {}
        self._by_container: dict[str, list[str]] = {}
        self._observers: dict[str, Callable[[int], None]] = {}
        self._sizes: dict[str, tuple[int, int]] = {}

    def create(self, reference: str, config: ExecConfig) -> str:
        """Record what is to be executed; returns the exec's id. Raises Conflict when the container does not run."""
        container = _running(self._records.get(reference), reference)
        if not config.cmd:
            raise InvalidArgument("No exec command specified")
        check_text(config)
        try:
            parse_detach_keys(config.detach_keys)
        except ValueError as error:
            raise SystemFailure(f"Invalid escape keys ({error}) provided") from None
        self._launcher.exec_user(container, config, self._shims.get(container.id))
        exec_id = secrets.token_hex(32)
        with self._lock:
            self._execs[exec_id] = ExecRecord(id=exec_id, container_id=container.id, config=config)
            self._by_container.setdefault(container.id, []).append(exec_id)
        self._tell(container, "exec_create", config, exec_id)
        return exec_id

    def get(self, exec_id: str) -> ExecRecord:
        """Raises NotFound."""
        with self._lock:
            record = self._execs.get(exec_id)
        if record is None:
            raise NotFound(f"No such exec instance: {exec_id}")
        return record

    def of(self, container_id: str) -> list[str]:
        """The ids of a container's execs that have not ended."""
        with self._lock:
            ids = self._by_container.get(container_id, [])
            return [exec_id for exec_id in ids if self._execs[exec_id].exit_code is None]

    def start_check(self, exec_id: str) -> ExecRecord:
        """The record, if it may be started now; raises NotFound or Conflict."""
        record = self.get(exec_id)
        if record.exit_code is not None:
            raise Conflict(f"exec command {exec_id} has already run")
        if record.started:
            raise Conflict(f"exec command {exec_id} is already running")
        container = self._records.get(record.container_id)
        _running(container, record.container_id)
        return record

    def start(
        self,
        exec_id: str,
        descriptor: int | None,
        first: bytes = b"",
        *,
        console_size: tuple[int, int] | None = None,
        observer: Callable[[int], None] | None = None,
    ) -> None:
        """Run it, its streams on the descriptor (which is given away); returns when the program runs.

        Raises StartFailed: the record then has the exit code, and nothing was written to the descriptor, which stays
        the caller's. observer is called with the exit code on the loop's thread.
        """
        with self._lock:
            record = self._execs.get(exec_id)
            if record is not None and not record.started:
                self._execs[exec_id] = replace(record, started=True)
        if record is None or record.started:
            self.start_check(exec_id)
            raise Conflict(f"exec command {exec_id} is already running")
        container = _running(self._records.current(record.container_id), record.container_id)
        self._tell(container, "exec_start", record.config, exec_id)
        if observer is not None:
            self._observers[exec_id] = observer
        try:
            shim = self._run(container, record, descriptor, first, console_size)
        except BaseException as error:
            self._update(exec_id, exit_code=error.exit_code if isinstance(error, StartFailed) else 128)
            self._observers.pop(exec_id, None)
            raise
        # from here on the descriptor is the shim's: nothing may fail
        self._write_config(record)
        self._update(exec_id, running=True, pid=shim.pid)
        self._shims.add(exec_id, shim, lambda event: self._on_event(exec_id, event))
        with self._lock:  # a resize meanwhile has found the shim, or is found here
            size = self._sizes.pop(exec_id, None)
        if size is not None and record.config.tty:
            with suppress(EstibaError):
                shim.resize(*size)

    def _run(
        self,
        container: Container,
        record: ExecRecord,
        descriptor: int | None,
        first: bytes,
        console_size: tuple[int, int] | None,
    ) -> monitor.Shim:
        config = record.config
        shim = self._shims.get(container.id)
        process, spec = self._launcher.exec_process(container, config, console_size, shim)
        attachments = []
        if descriptor is not None:
            attachments.append(
                monitor.Attachment(
                    descriptor=descriptor,
                    stdin=config.attach_stdin,
                    stdout=config.attach_stdout,
                    stderr=config.attach_stderr,
                    framed=not config.tty,
                    detach_keys=parse_detach_keys(config.detach_keys) if config.tty else None,
                    first=first,
                )
            )
        return self._runtime.exec(
            shim,
            record.id,
            process,
            spec,
            container_id=container.id,
            open_stdin=config.attach_stdin,
            stdin_once=True,
            attachments=attachments,
        )

    def resize(self, exec_id: str, rows: int, columns: int) -> None:
        """Set the terminal's size; kept for the start when it does not run yet."""
        record = self.get(exec_id)
        with self._lock:
            shim = self._shims.find(exec_id)
            if shim is None and record.exit_code is None:
                self._sizes[exec_id] = (rows, columns)
                return
        if shim is None:
            raise Conflict(f"exec command {exec_id} is not running")
        if record.config.tty:
            shim.resize(rows, columns)

    def kill(self, exec_id: str) -> None:
        """End it at once; harmless when it ended."""
        shim = self._shims.find(exec_id)
        if shim is not None:
            with suppress(Conflict):
                shim.signal(9)

    def take_over(self, container: Container) -> None:
        """Own the execs of a container that an earlier engine started and that still run."""
        for exec_id, shim in self._runtime.adopt_execs(container.id).items():
            config = self._read_config(container.id, exec_id)
            record = ExecRecord(
                id=exec_id, container_id=container.id, config=config, running=True, started=True, pid=shim.pid
            )
            with self._lock:
                self._execs[exec_id] = record
                self._by_container.setdefault(container.id, []).append(exec_id)
            self._shims.add(exec_id, shim, functools.partial(self._on_event, exec_id))

    def _write_config(self, record: ExecRecord) -> None:
        """Beside the exit record, for an engine that takes over; without it that knows the exec, but not its words."""
        path = self._runtime.container_directory(record.container_id) / "exec" / record.id / CONFIG
        with suppress(OSError):  # the container has ended meanwhile, or there is no space
            path.write_bytes(msgspec.json.encode(record.config))

    def _read_config(self, container_id: str, exec_id: str) -> ExecConfig:
        path = self._runtime.container_directory(container_id) / "exec" / exec_id / CONFIG
        try:
            return msgspec.json.decode(path.read_bytes(), type=ExecConfig)
        except (OSError, msgspec.MsgspecError):
            return ExecConfig()  # the earlier engine ended between the start and the note of it

    def _on_event(self, exec_id: str, event: monitor.Event) -> None:
        match event:
            case monitor.Exited(wait_status=status):
                self._ended(exec_id, exit_code(status))
            case monitor.Lost():
                with self._lock:
                    known = self._execs.get(exec_id)
                record = self._runtime.exit_record(known.container_id, exec_id) if known is not None else None
                self._ended(exec_id, exit_code(record.wait_status) if record is not None else 137)

    def _ended(self, exec_id: str, code: int) -> None:
        record = self._with_end(exec_id, code)
        if record is None:
            self._shims.drop(exec_id)
            return
        self._runtime.cleanup_exec(record.container_id, exec_id)
        container = self._records.find(record.container_id)
        if container is not None:
            attributes = {"execID": exec_id, "exitCode": str(code)}
            self._records.tell(container_event(container, "exec_die", attributes))
        # last: the shim then hangs up on its client, who asks for the exit code at once
        self._shims.drop(exec_id)
        self._loop.call_later(REMEMBERED_FOR, lambda: self._forget(exec_id))
        observer = self._observers.pop(exec_id, None)
        if observer is not None:
            observer(code)

    def _with_end(self, exec_id: str, code: int) -> ExecRecord | None:
        """The record with its end; None when it had one already (its container's), or was forgotten with that."""
        with self._lock:
            record = self._execs.get(exec_id)
            if record is None or record.exit_code is not None:
                return None
            record = self._execs[exec_id] = replace(record, running=False, exit_code=code)
            return record

    def _update(self, exec_id: str, **changes: object) -> None:
        with self._lock:
            record = self._execs.get(exec_id)
            if record is not None and record.exit_code is None:  # it may have ended, or gone, with its container
                self._execs[exec_id] = replace(record, **changes)  # type: ignore[arg-type]

    def _forget(self, exec_id: str) -> None:
        with self._lock:
            record = self._execs.pop(exec_id, None)
            if record is not None and exec_id in self._by_container.get(record.container_id, []):
                self._by_container[record.container_id].remove(exec_id)

    def container_ended(self, container_id: str) -> None:
        """Its processes ended with it."""
        for exec_id in self.of(container_id):
            if self.get(exec_id).running:
                self._ended(exec_id, 137)

    def container_removed(self, container_id: str) -> None:
        """Forget all execs of a container."""
        with self._lock:
            for exec_id in self._by_container.pop(container_id, []):
                self._execs.pop(exec_id, None)
                self._sizes.pop(exec_id, None)

    def _tell(self, container: Container, action: str, config: ExecConfig, exec_id: str) -> None:
        command = config.cmd or []
        what = f"{action}: {command[0]} {' '.join(command[1:])}"
        self._records.tell(container_event(container, what, {"execID": exec_id}))

    def close(self) -> None:
        """Forget everything; processes go on."""
        self._observers.clear()


def _running(container: Container, reference: str) -> Container:
    if isinstance(container.state, Restarting):
        raise Conflict(f"Container {container.id} is restarting, wait until the container is running")
    if not isinstance(container.state, Running):
        raise Conflict(f"container {container.id} is not running")
    if container.state.paused:
        raise Conflict(f"Container {reference} is paused, unpause the container before exec")
    return container
