"""The shim program, sealed so that no container can change it, and the processes started from it."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from estiba.errors import SystemFailure
from estiba.linux import memfd, spawn

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME: Final = "estiba-shim"
_NO_PROGRAM: Final = (
    "{path} is missing: build it with `make -C native OUT=../src/estiba/bin`, or install the wheel again"
)
# Read when the program is named by ESTIBA_SHIM, which builds with sanitizers need.
_PASSED_ON: Final = ("ASAN_OPTIONS", "UBSAN_OPTIONS")


class Program:
    """The shim's program in a sealed memfd (a container that reaches /proc/PID/exe finds nothing to write to).

    Owns that descriptor and one of /dev/null; `close()` ends it. Keeps count of the processes it started, which
    `reap()` waits for without blocking. Thread-safe.
    """

    def __init__(self, path: Path | None = None) -> None:
        override = os.environ.get("ESTIBA_SHIM")
        self.path = path or (Path(override) if override else Path(__file__).parent.parent / "bin" / NAME)
        self._environment = {name: os.environ[name] for name in _PASSED_ON if override and name in os.environ}
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            raise SystemFailure(_NO_PROGRAM.format(path=self.path)) from None
        with ExitStack() as undo:
            self._program = memfd.sealed(NAME, content, executable=True)
            undo.callback(os.close, self._program)
            self._null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
            undo.callback(os.close, self._null)
            self._resources = undo.pop_all()
        self._lock = threading.Lock()
        self._children: set[int] = set()

    def close(self) -> None:
        """Release the descriptors; processes go on."""
        self.reap()
        self._resources.close()

    def start(self, role: str, descriptors: Mapping[int, int]) -> int:
        """Run a role of the program with these descriptors (its number → ours) beside 0-2. Returns the process id."""
        standard = dict.fromkeys((0, 1, 2), self._null)
        pid = spawn.spawn(self._program, (NAME, role), {**standard, **descriptors}, self._environment)
        with self._lock:
            self._children.add(pid)
        return pid

    def end(self, pid: int) -> None:
        """Kill a process that it started, unless it has ended by itself, and wait for it."""
        with self._lock:
            if pid not in self._children:
                return  # reaped, and the number may be another's by now
            self._children.discard(pid)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):  # the library's host waits for every child
            os.waitpid(pid, 0)

    def reap(self) -> None:
        """Take the processes that have ended off the process table."""
        with self._lock:
            for pid in list(self._children):
                try:
                    ended = os.waitpid(pid, os.WNOHANG)[0] == pid
                except ChildProcessError:
                    ended = True
                if ended:
                    self._children.discard(pid)
