"""A command-line client of an engine, the stock docker command or ours: piped, in the background, on a terminal."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SECONDS = 20.0


@dataclass(frozen=True)
class Result:
    """How a command ended, its output as text."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@dataclass(frozen=True)
class Command:
    """A program with the environment that leads it to one engine."""

    program: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str, stdin: bytes | None = None, code: int = 0, seconds: float = SECONDS) -> str:
        """Run it to its end; the output, without the last newline. Any other exit code than `code` is a failure."""
        result = self.result(*arguments, stdin=stdin, seconds=seconds)
        assert result.code == code, f"{arguments}: {result}"
        return result.out.removesuffix("\n")

    def result(self, *arguments: str, stdin: bytes | None = None, seconds: float = SECONDS) -> Result:
        """Run it to its end, whatever that is."""
        done = subprocess.run(
            [*self.program, *arguments],
            **({"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}),
            capture_output=True,
            env=self.environment,
            timeout=seconds,
            check=False,
        )
        return Result(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))

    def error(self, *arguments: str, code: int = 1) -> str:
        """What it says on standard error when it fails as it should."""
        result = self.result(*arguments)
        assert result.code == code, f"{arguments}: {result}"
        return result.err.strip()

    def bytes(self, *arguments: str, stdin: bytes | None = None) -> bytes:
        """Binary output."""
        return subprocess.run(
            [*self.program, *arguments],
            **({"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}),
            stdout=subprocess.PIPE,
            env=self.environment,
            timeout=SECONDS,
            check=True,
        ).stdout

    @contextlib.contextmanager
    def background(self, *arguments: str, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
        """A running command with pipes; ended at the end."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        with subprocess.Popen([*self.program, *arguments], env=self.environment, **pipes) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()

    @contextlib.contextmanager
    def terminal(self, *arguments: str, rows: int = 24, columns: int = 80) -> Iterator[Terminal]:
        """The command on a terminal of its own."""
        terminal = Terminal([*self.program, *arguments], self.environment, rows, columns)
        try:
            yield terminal
        finally:
            terminal.close()


class Terminal:
    """The other end of a pty on which a program runs."""

    def __init__(self, command: Sequence[str], environment: dict[str, str], rows: int, columns: int) -> None:
        self._master, slave = pty.openpty()
        self.seen = ""
        self.resize(rows, columns)
        try:
            self.process = subprocess.Popen(
                command,
                stdin=slave,
                stdout=slave,
                stderr=slave,
                env={**environment, "TERM": "xterm"},
                start_new_session=True,
                preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            )
        finally:
            os.close(slave)

    def resize(self, rows: int, columns: int) -> None:
        """As when somebody drags the window's corner."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def send(self, text: str) -> None:
        os.write(self._master, text.encode())

    def expect(self, text: str, seconds: float = SECONDS) -> str:
        """Read until the text comes; what was read since the last call, up to and with it."""
        deadline = time.monotonic() + seconds
        while text not in self.seen:
            if not self._read(deadline):
                raise AssertionError(f"{text!r} did not come; there was {self.seen!r}")
        before, found, self.seen = self.seen.partition(text)
        return before + found

    def end(self, seconds: float = SECONDS) -> int:
        """Read to the end; the exit code. What was said is in `seen`."""
        deadline = time.monotonic() + seconds
        while self._read(deadline):
            pass
        return self.process.wait(max(0.1, deadline - time.monotonic()))

    def _read(self, deadline: float) -> bool:
        if not select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:  # the last holder of the slave is gone
            return False
        self.seen += data.decode("utf-8", "replace")
        return bool(data)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)


def docker_command(socket: Path, config: Path) -> Command:
    """The stock docker command, led to a socket, with settings of its own."""
    environment = {
        "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
        "HOME": str(config),
        "DOCKER_CONFIG": str(config),
        "DOCKER_HOST": f"unix://{socket}",
        "LC_ALL": "C.UTF-8",
    }
    return Command(("docker",), environment)


def estiba_command(socket: Path, config: Path) -> Command:
    """Our own command, led to a socket."""
    return Command((str(Path(sys.executable).with_name("estiba")),), docker_command(socket, config).environment)


def eventually(condition: Any, seconds: float = SECONDS) -> Any:
    """The first true value of a condition that nothing tells of; for what other programs do."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, "it did not become so"
        time.sleep(0.02)
