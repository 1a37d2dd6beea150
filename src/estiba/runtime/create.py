"""The runtime as the engine uses it: starts containers and execs, finds those of an earlier engine, cleans up.

Lifecycle of a container here: start (or adopt) → requests and events through its Shim → exit → cleanup. All methods
block for a few milliseconds at most and may be called from any thread.
"""

from __future__ import annotations

import os
import secrets
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from estiba.errors import Conflict, EstibaError, StartFailed, SystemFailure
from estiba.linux.host import detect
from estiba.runtime import delete, logs, state
from estiba.runtime.bundle import Bundle
from estiba.runtime.place import open_place
from estiba.runtime.plan import LogFile, Plan, Stdio, compile_exec_plan, compile_plan
from estiba.runtime.plan_explain import START
from estiba.runtime.protocol import LogsRequest
from estiba.runtime.spawn import Program
from estiba.runtime.start import Numbers, make_run_directory, start_process

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from estiba.oci.runtime_spec import Process, Spec
    from estiba.runtime.cgroups import Cgroup, CgroupDriver
    from estiba.runtime.monitor import Attachment, Shim
    from estiba.runtime.state import ExitRecord

__all__ = ["Bundle", "LogFile", "Runtime"]


class Runtime:
    """Containers of one engine, below one run directory.

    directory: RUNDIR, made if need be; root_id: names the default place of cgroups, /estiba/<root id>/<container id>;
    program: the shim's program, by default the installed one. close() releases descriptors; containers live on.
    """

    def __init__(self, *, directory: Path, root_id: str, cgroups: CgroupDriver, program: Path | None = None) -> None:
        self.directory = directory
        self.root_id = root_id
        self.cgroups = cgroups
        self._containers = directory / "c"
        self._containers.mkdir(0o700, parents=True, exist_ok=True)
        with ExitStack() as undo:
            self._program = Program(program)
            undo.callback(self._program.close)
            self._shims_join_fds = cgroups.shims_join_fds()
            for descriptor in self._shims_join_fds:
                undo.callback(os.close, descriptor)
            self._resources = undo.pop_all()

    def __enter__(self) -> Runtime:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release what this object holds. Containers and readers of logs go on."""
        self._resources.close()

    @property
    def init_program(self) -> str:
        """The file that is bound, read-only, into a container as /sbin/docker-init (a memfd can't be bound)."""
        return str(self._program.path)

    def container_directory(self, container_id: str) -> Path:
        """The run directory of a container: what Bundle.directory has to be."""
        return self._containers / container_id

    def reap(self) -> None:
        """Take shims and log readers that have ended off the process table; every start does so, too."""
        self._program.reap()

    # starting

    def plan(self, bundle: Bundle) -> Plan:
        """The launch plan that a start would execute; for `estiba plan`.

        It names descriptors of a cgroup: one of its own, which is removed again, for the container may be running.
        """
        with ExitStack() as resources:
            numbers = Numbers()
            resources.callback(numbers.owned.close)
            cgroup = None
            if bundle.spec.linux.cgroups_path is not None:
                cgroup = self.cgroups.create(f"{self.cgroups.base}/plan-{secrets.token_hex(8)}", None)
                resources.callback(cgroup.remove)
            return self._compile(bundle, numbers, cgroup)

    def start(self, bundle: Bundle, attachments: Sequence[Attachment] = ()) -> Shim:
        """Start a container; returns once its program runs. The attachments see its first byte.

        The attachments' descriptors are given away with success; on any error they stay the caller's and nothing has
        been written to them.

        Raises StartFailed with Docker's wording and exit code, InvalidArgument, Conflict (a namespace to join is
        gone), SystemFailure. Nothing is left of the start then.
        """
        self.reap()
        with ExitStack() as undo:
            make_run_directory(bundle.directory)
            undo.callback(delete.remove_run_directory, bundle.directory)
            numbers = Numbers()
            with numbers.owned:
                if bundle.spec.linux.cgroups_path is not None:
                    # first the note where it will be: who cleans up after a crash has to find it
                    os.symlink(bundle.spec.linux.cgroups_path, bundle.directory / state.CGROUP)
                cgroup = self._make_cgroup(bundle.spec)
                if cgroup is not None:
                    undo.callback(_remove_cgroup, cgroup)
                plan = self._compile(bundle, numbers, cgroup)
                shim = start_process(
                    self._program,
                    "run",
                    plan,
                    numbers,
                    directory=bundle.directory,
                    log=bundle.log,
                    attachments=attachments,
                )
            undo.pop_all()
            return shim

    def exec(
        self,
        container: Shim,
        exec_id: str,
        process: Process,
        spec: Spec,
        *,
        container_id: str,
        open_stdin: bool,
        stdin_once: bool = True,
        attachments: Sequence[Attachment] = (),
    ) -> Shim:
        """Run one more process in a running container; as `start`. spec is the container's.

        Raises StartFailed, Conflict when the container has ended, SystemFailure.
        """
        self.reap()
        home = self.container_directory(container_id)
        directory = home / state.EXECS / exec_id
        numbers = Numbers()
        with numbers.owned, ExitStack() as undo:
            join = numbers.add(container.open_process())
            self._make_execs_directory(home)
            make_run_directory(directory)
            undo.callback(delete.remove_run_directory, directory)
            cgroup = self._open_cgroup(home) if spec.linux.cgroups_path else None
            plan = compile_exec_plan(
                process,
                spec,
                stdio=Stdio(open_stdin, stdin_once),
                join=join,
                descriptors=open_place(numbers, cgroup, self._shims_join_fds, None),
                keyring=_keyring(container_id),
            )
            shim = start_process(self._program, "exec", plan, numbers, directory=directory, attachments=attachments)
            undo.pop_all()
            return shim

    # what an earlier engine left

    def adopt(self, container_id: str) -> Shim | None:
        """The living shim of a running container, whose events come to this process from now on; None without one.

        None and no exit record: the shim was killed, and with it the container's init; `cleanup` does the rest.
        """
        return state.connect(self.container_directory(container_id))

    def adopt_execs(self, container_id: str) -> dict[str, Shim]:
        """The living shims of a container's execs, by exec id."""
        adopted = {}
        for exec_id in self._names(self.container_directory(container_id) / state.EXECS):
            shim = state.connect(self.container_directory(container_id) / state.EXECS / exec_id)
            if shim is not None:
                adopted[exec_id] = shim
        return adopted

    def containers(self) -> list[str]:
        """The ids that have a run directory."""
        return self._names(self._containers)

    def exit_record(self, container_id: str, exec_id: str | None = None) -> ExitRecord | None:
        """How a container or exec ended, if its shim wrote that down and `cleanup` has not been called since."""
        directory = self.container_directory(container_id)
        return state.read_exit_record(directory if exec_id is None else directory / state.EXECS / exec_id)

    # ending

    def cleanup(self, container_id: str) -> None:
        """Kill what is left of a container's processes, remove its cgroup and run directory. Idempotent."""
        default = f"{self.cgroups.base}/{container_id}"
        delete.cleanup(self.container_directory(container_id), self.cgroups, default)
        self.reap()

    def cleanup_exec(self, container_id: str, exec_id: str) -> None:
        """Remove the run directory of an exec that has ended. Idempotent."""
        delete.remove_run_directory(self.container_directory(container_id) / state.EXECS / exec_id)
        self.reap()

    def cgroup(self, container_id: str) -> Cgroup:
        """A container's cgroup, wherever its start put it; it may be gone."""
        return self._open_cgroup(self.container_directory(container_id))

    def thaw(self, container_id: str) -> None:
        """Let a paused container go on; harmless when it is not paused or gone."""
        cgroup = self.cgroup(container_id)
        if cgroup.exists():
            with suppress(SystemFailure):
                cgroup.thaw()

    # logs

    def logs(
        self,
        log: LogFile,
        descriptor: int,
        *,
        stdout: bool = True,
        stderr: bool = True,
        since_ns: int = 0,
        until_ns: int = 0,
        tail: int = -1,
        follow: bool = False,
        timestamps: bool = False,
        framed: bool = True,
        chunked: bool = False,
        details: bytes | None = None,
        end: tuple[int, int] | None = None,
        shim: Shim | None = None,
    ) -> int:
        """Copy a container's log into a socket, which is given away; returns a pidfd of the reader, the caller's.

        The reader ends, and with it its copy of the socket, when all was written: with follow after the end of the
        shim's program, else where the log ends now (or at `end`: inode and offset from `Shim.attach`). It ends
        earlier when the client hangs up. details stands before each line as it is, its blank included.
        """
        request = LogsRequest(
            name=log.name,
            flags=logs.logs_flags(
                stdout=stdout,
                stderr=stderr,
                follow=follow and shim is not None,
                timestamps=timestamps,
                framed=framed,
                chunked=chunked,
                details=details is not None,
            ),
            since_ns=since_ns,
            until_ns=until_ns,
            tail=tail,
            end=end or (0, 0),
            details=details or b"",
        )
        self.reap()
        return logs.copy_log(self._program, log, request, descriptor)

    # parts

    def _compile(self, bundle: Bundle, numbers: Numbers, cgroup: Cgroup | None) -> Plan:
        layers = detect().features.overlay_layers
        place = open_place(numbers, cgroup, self._shims_join_fds, bundle.spec, overlay_layers=layers)
        return compile_plan(
            bundle.spec,
            stdio=Stdio(bundle.open_stdin, bundle.stdin_once),
            log=bundle.log,
            descriptors=place,
            cgroups=cgroup.mounts() if cgroup is not None else (),
            keyring=_keyring(bundle.id),
            overlay_layers=layers,
        )

    def _make_cgroup(self, spec: Spec) -> Cgroup | None:
        if spec.linux.cgroups_path is None:
            return None
        try:
            return self.cgroups.create(spec.linux.cgroups_path, spec.linux.resources)
        except SystemFailure as error:
            raise StartFailed(f"{START}{error.message}", exit_code=128, status=500) from error

    def _open_cgroup(self, directory: Path) -> Cgroup:
        return self.cgroups.open(delete.cgroup_path(directory, f"{self.cgroups.base}/{directory.name}"))

    @staticmethod
    def _make_execs_directory(home: Path) -> None:
        try:
            os.mkdir(home / state.EXECS, 0o700)
        except FileExistsError:
            pass
        except FileNotFoundError:
            raise Conflict(f"container {home.name} is not running") from None

    @staticmethod
    def _names(directory: Path) -> list[str]:
        try:
            return sorted(os.listdir(directory))
        except FileNotFoundError:
            return []


def _keyring(container_id: str) -> str:
    """The session keyring that a container's start and its execs share."""
    return f"_ses.{container_id}"


def _remove_cgroup(cgroup: Cgroup) -> None:
    with suppress(EstibaError):
        cgroup.kill()
        cgroup.remove()
