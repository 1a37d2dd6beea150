"""Starting an engine in the background, for commands that find none running.

Imported by the command, which must start fast: nothing large is imported here.
"""

from __future__ import annotations

import fcntl
import os
import socket
import sys

from estiba.errors import SystemFailure
from estiba.store.roots import root_id

DEFAULT_ROOT = "/var/lib/estiba"
DEFAULT_RUN_DIR = "/run/estiba"
DEFAULT_SOCKET = "/run/estiba.sock"
LOG = "engine.log"
LOCK = "start.lock"
SECONDS = 60
SHOWN_LINES = 10
_LONGEST_LOG = 1 << 20
_READY_DESCRIPTOR = 3


def ensure_running(socket_path: str = "") -> str:
    """Start an engine unless one answers; returns the path of its socket.

    Safe to be called by many at once: one starts it, the others wait for that. The engine takes root and run directory
    from the environment, as `estiba serve` does, and logs into RUN_DIR/engine.log.

    Args:
        socket_path: where it should answer; "" for the default.

    Raises:
        SystemFailure: it could not be started; the message ends with the last lines of its log.
    """
    path = socket_path or default_socket()
    if _answers(path):
        return path
    if os.geteuid() != 0:
        raise SystemFailure("cannot start an engine: it needs root; use sudo, or start one with `sudo estiba serve`")
    run_dir = os.environ.get("ESTIBA_RUN_DIR") or DEFAULT_RUN_DIR
    os.makedirs(run_dir, 0o711, exist_ok=True)
    lock = os.open(f"{run_dir}/{LOCK}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _answers(path):
            _start(path, f"{run_dir}/{LOG}")
    finally:
        os.close(lock)
    return path


def default_socket() -> str:
    """Where an engine with the settings of this environment listens; another root has a place of its own."""
    root = os.environ.get("ESTIBA_ROOT") or DEFAULT_ROOT
    if os.path.realpath(root) == DEFAULT_ROOT:
        return DEFAULT_SOCKET
    try:
        status = os.stat(root)
    except FileNotFoundError:
        os.makedirs(root, 0o710)
        status = os.stat(root)
    run_dir = os.environ.get("ESTIBA_RUN_DIR") or DEFAULT_RUN_DIR
    return f"{run_dir}/{root_id(status)}/estiba.sock"


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            return False
    return True


def _start(path: str, log: str) -> None:
    """Spawn the engine in a session of its own and wait until it says that it is ready, or ends."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    reader, writer = os.pipe()
    try:
        if os.fstat(output).st_size > _LONGEST_LOG:
            os.ftruncate(output, 0)
        begin = os.fstat(output).st_size
        pid = os.posix_spawn(
            sys.executable,
            # -P: no module of the current directory
            [
                sys.executable,
                "-P",
                "-m",
                "estiba.daemon.main",
                "-H",
                f"unix://{path}",
                f"--ready-fd={_READY_DESCRIPTOR}",
            ],
            _environment(),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, output, 1),
                (os.POSIX_SPAWN_DUP2, output, 2),
                (os.POSIX_SPAWN_DUP2, writer, _READY_DESCRIPTOR),
            ],
            setsid=True,
        )
        os.close(writer)
        writer = -1
        _await_ready(pid, reader, log, begin)
    finally:
        for descriptor in (output, reader, writer):
            if descriptor >= 0:
                os.close(descriptor)


def _environment() -> dict[str, str]:
    """This process's, and the place of this very package where that is not an installed one."""
    environment = dict(os.environ)
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    if "site-packages" not in package and "dist-packages" not in package:
        known = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = f"{package}{os.pathsep}{known}" if known else package
    return environment


def _await_ready(pid: int, reader: int, log: str, begin: int) -> None:
    import select

    poller = select.poll()
    poller.register(reader, select.POLLIN)
    if not poller.poll(SECONDS * 1000):
        raise SystemFailure(f"the engine is not ready after {SECONDS} seconds; it goes on trying, see {log}")
    if os.read(reader, 64):
        return
    os.waitpid(pid, 0)
    with open(log, encoding="utf-8", errors="replace") as file:
        file.seek(begin)
        lines = file.read().splitlines()[-SHOWN_LINES:]
    said = "\n".join(line.removeprefix("estiba serve: ") for line in lines) or f"it ended without a word; see {log}"
    raise SystemFailure(f"cannot start an engine: {said}")
