"""``run -it`` on a real terminal: raw mode and back, window size, detach keys."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING

import pytest

import estiba

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.unit.cli.recorder import Recorder

PROGRAM = "import sys; from estiba.cli import main; sys.exit(main())"
DEADLINE = 10


class Screen:
    """A command on a terminal of 24 × 80."""

    def __init__(self, host: str, *words: str) -> None:
        self.master, self.slave = pty.openpty()
        self.resize(24, 80)
        source = os.path.dirname(os.path.dirname(estiba.__file__))
        self.child = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *words],
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            env={**os.environ, "ESTIBA_HOST": host, "PYTHONPATH": source, "DOCKER_CONFIG": "/nonexistent"},
            start_new_session=True,
        )
        self.seen = b""

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, data: bytes) -> None:
        os.write(self.master, data)

    def until(self, condition: Callable[[], bool]) -> None:
        """Read what is shown until the condition holds."""
        end = time.monotonic() + DEADLINE
        while not condition():
            assert time.monotonic() < end, self.seen
            if select.select([self.master], [], [], 0.02)[0]:
                self.seen += os.read(self.master, 4096)

    def is_raw(self) -> bool:
        return not termios.tcgetattr(self.slave)[3] & termios.ICANON

    def close(self) -> None:
        if self.child.poll() is None:
            self.child.kill()
        self.child.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def screen(recorder: Recorder) -> Iterator[Callable[..., Screen]]:
    opened: list[Screen] = []

    def start(*words: str) -> Screen:
        opened.append(Screen(recorder.host, *words))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


def sizes(recorder: Recorder) -> list[tuple[str, str]]:
    return [(query["h"], query["w"]) for _, path, query, _ in recorder.requests if path.endswith("/resize")]


def test_run_on_a_terminal(recorder: Recorder, screen: Callable[..., Screen]) -> None:
    recorder.output, recorder.echo = b"prompt# ", True
    shown = screen("run", "-it", "img")
    shown.until(lambda: b"prompt# " in shown.seen)
    assert shown.is_raw()
    shown.type(b"hello\r\x03")  # ctrl-c is a byte like any other
    shown.until(lambda: b"hello\r\x03" in shown.seen)
    shown.until(lambda: sizes(recorder) == [("24", "80")])
    shown.resize(30, 100)
    os.kill(shown.child.pid, signal.SIGWINCH)
    shown.until(lambda: sizes(recorder) == [("24", "80"), ("30", "100")])
    shown.type(b"\x10\x11")
    shown.until(lambda: shown.child.poll() is not None)
    assert shown.child.returncode == 0
    assert not shown.is_raw()
    create = recorder.requests[0][3]
    assert create["HostConfig"]["ConsoleSize"] == [24, 80]
    assert (create["Tty"], create["OpenStdin"], create["StdinOnce"]) == (True, True, True)


def test_other_detach_keys(recorder: Recorder, screen: Callable[..., Screen]) -> None:
    recorder.output, recorder.echo = b"prompt# ", True
    shown = screen("run", "-it", "--detach-keys", "ctrl-a,d", "img")
    shown.until(lambda: b"prompt# " in shown.seen)
    shown.type(b"\x10\x11\x01x")
    shown.until(lambda: b"\x10\x11\x01x" in shown.seen)
    shown.type(b"\x01d")
    shown.until(lambda: shown.child.poll() is not None)
    assert shown.child.returncode == 0
    assert any(query.get("detachKeys") == "ctrl-a,d" for _, _, query, _ in recorder.requests)


def test_the_terminal_is_given_back_when_the_program_ends(recorder: Recorder, screen: Callable[..., Screen]) -> None:
    recorder.output = b"bye\r\n"
    recorder.replies["/wait"] = {"StatusCode": 3}
    shown = screen("run", "-it", "img")
    shown.until(lambda: shown.child.poll() is not None and b"bye" in shown.seen)
    assert shown.child.returncode == 3
    assert not shown.is_raw()


def test_a_size_that_is_refused_is_sent_again(recorder: Recorder, screen: Callable[..., Screen]) -> None:
    recorder.output, recorder.echo = b"prompt# ", True
    recorder.replies["/resize"] = (409, {"message": "container is not running"})
    shown = screen("run", "-it", "img")
    shown.until(lambda: b"failed to resize tty, using default size" in shown.seen)
    assert len(sizes(recorder)) == 11


def test_progress_bars(recorder: Recorder, screen: Callable[..., Screen]) -> None:
    lines = [
        b'{"status":"Pulling","id":"latest"}',
        b'{"status":"Downloading","progressDetail":{"current":5,"total":9},"id":"abc"}',
    ]
    lines += [b'{"status":"Pull complete","progressDetail":{},"id":"abc"}', b'{"status":"Status: done"}']
    recorder.replies["/images/create"] = b"\r\n".join(lines)
    shown = screen("pull", "x")
    shown.until(lambda: shown.child.poll() is not None and b"docker.io/library/x:latest" in shown.seen)
    for text in (b"Using default tag: latest", b"latest: Pulling", b"abc: Pull complete", b"Status: done"):
        assert text in shown.seen
