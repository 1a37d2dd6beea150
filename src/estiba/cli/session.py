"""What a command works with: the engine it talks to (found, and started if need be, on first use), the user's
settings, and the streams.
"""

from __future__ import annotations

import os
import sys

from estiba.client.engine import Client
from estiba.client.transport import Unreachable, connect
from estiba.errors import EstibaError, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from typing import Any

DEFAULT_SOCKET = "/run/estiba.sock"
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(9), *range(11, 32), *range(127, 160))}
_DENIED, _NO_FILE, _REFUSED = 13, 2, 111


class CommandError(Exception):
    """A command failed: the text for stderr (may be empty: everything is said already) and the exit code."""

    def __init__(self, message: str = "", code: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


def harmless(text: str) -> str:
    """Text for a terminal, which obeys no byte of it but tabs and ends of lines."""
    return text.translate(_CONTROLS)


def default_host() -> str:
    """Where the engine of this environment listens when nobody says: one root, one place."""
    if not os.environ.get("ESTIBA_ROOT"):
        return f"unix://{DEFAULT_SOCKET}"
    from estiba.daemon.start import default_socket

    return f"unix://{default_socket()}"


def choose_host(flag: str) -> str:
    """The engine's address: --host, ESTIBA_HOST, DOCKER_HOST, else the default socket.

    Raises:
        CommandError: it needs TLS, which the command does not speak.
    """
    host = flag or os.environ.get("ESTIBA_HOST") or os.environ.get("DOCKER_HOST") or default_host()
    if host.startswith("tcp://") and os.environ.get("DOCKER_TLS_VERIFY"):
        raise CommandError(f"cannot use {host} with DOCKER_TLS_VERIFY: estiba does not speak TLS to engines")
    return host


def _is_own(host: str) -> bool:
    """Whether an engine that is started with this environment listens there; others' engines are not ours to start."""
    return host.startswith("unix://") and host == (os.environ.get("ESTIBA_HOST") or default_host())


class Session:
    """One run of the command.

    Attributes:
        program: how the command was called (``estiba``), for messages.
        client: the engine.
        config_dir: where the user's settings are (``~/.docker``).
        debug: show where an error came from.
    """

    def __init__(self, *, host: str = "", config_dir: str = "", program: str = "estiba", debug: bool = False) -> None:
        self.host = choose_host(host)
        self.program = program
        self.debug = debug
        self.config_dir = config_dir or os.environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")
        self.client = Client(self.host, version=os.environ.get("DOCKER_API_VERSION", ""), opener=self.open)
        self._config: dict[str, Any] | None = None
        self._started = False

    # ---- the engine -----------------------------------------------------------------------------------------------

    def open(self, host: str) -> _socket.socket:
        """A connection to the engine; with none at this environment's own address, one is started in the background
        first.
        """
        try:
            return connect(host)
        except Unreachable as error:
            if not self._started and error.reason in (_NO_FILE, _REFUSED) and _is_own(host):
                return connect(self._start_engine())
            raise self._explain(error) from error

    def another_client(self) -> Client:
        """A client of the same engine for another thread."""
        return Client(self.host, version=self.client.version, opener=self.open)

    def _start_engine(self) -> str:
        """Start one in the background (once); its address."""
        from estiba.daemon.start import ensure_running

        self._started = True
        return f"unix://{ensure_running(self.host.removeprefix('unix://'))}"

    def _explain(self, error: Unreachable) -> EstibaError:
        if error.reason == _DENIED:
            return Unavailable(
                f"permission denied while trying to connect to the Docker daemon socket at {self.host}:"
                " run as root, or as a member of the socket's group"
            )
        if error.reason in (_NO_FILE, _REFUSED):
            return Unavailable(
                f"Cannot connect to the Docker daemon at {self.host}. Is the docker daemon running?"
                " (estiba serve starts one)"
            )
        return error

    # ---- the user's settings --------------------------------------------------------------------------------------

    @property
    def config(self) -> dict[str, Any]:
        """The user's config.json as Docker's clients keep it (detachKeys, psFormat, auths, proxies); {} when there is
        none.
        """
        if self._config is None:
            from estiba.client.quickjson import loads

            file = os.path.join(self.config_dir, "config.json")
            try:
                with open(file, encoding="utf-8") as stream:
                    decoded = loads(stream.read())
            except FileNotFoundError:
                decoded = {}
            except (OSError, ValueError) as error:
                self.warn(f"WARNING: Error loading config file: {file}: {error}")
                decoded = {}
            self._config = decoded if isinstance(decoded, dict) else {}
        return self._config

    # ---- streams --------------------------------------------------------------------------------------------------

    def print(self, text: str, end: str = "\n") -> None:
        """What the engine says, which containers and images may have had a hand in."""
        sys.stdout.write(harmless(text + end) if sys.stdout.isatty() else text + end)

    def write(self, text: str, end: str = "\n") -> None:
        """As it is: what is ours, and what the user's own template makes."""
        sys.stdout.write(text + end)

    def flush(self) -> None:
        sys.stdout.flush()

    def warn(self, text: str) -> None:
        """A line on stderr, after what was printed before it."""
        sys.stdout.flush()
        sys.stderr.write((harmless(text) if sys.stderr.isatty() else text) + "\n")
        sys.stderr.flush()

    def confirm(self, question: str) -> bool:
        """Ask on the terminal; anything but y means no."""
        self.print(question + " [y/N] ", end="")
        sys.stdout.flush()
        return sys.stdin.readline().strip().lower() in ("y", "yes")
