"""``estiba attach``: be the terminal of a running container."""

from __future__ import annotations

from estiba.cli import signals
from estiba.cli.attachment import Forwarder, container_window, detach_keys, follow
from estiba.cli.flags import BOOL, TEXT, Command, Flag
from estiba.cli.session import CommandError
from estiba.cli.streams import Stream
from estiba.cli.terminal import Raw, is_terminal
from estiba.cli.waiting import Waiter
from estiba.client.engine import path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command(
    "[OPTIONS] CONTAINER",
    "Attach local standard input, output, and error streams to a running container",
    (
        Flag("detach-keys", "", TEXT, "Override the key sequence for detaching a container"),
        Flag("no-stdin", "", BOOL, "Do not attach STDIN"),
        Flag("sig-proxy", "", BOOL, "Proxy all received signals to the process", True),
    ),
    least=1,
    most=1,
)


def _inspect(session: Session, name: str) -> dict[str, Any]:
    """The container. Raises CommandError when one cannot attach to it."""
    container: dict[str, Any] = session.client.get(path("containers", name, "json"))
    state = container["State"]
    if not state["Running"]:
        raise CommandError("You cannot attach to a stopped container, start it first")
    if state["Paused"]:
        raise CommandError("You cannot attach to a paused container, unpause it first")
    if state["Restarting"]:
        raise CommandError("You cannot attach to a restarting container, wait until it is running")
    return container


def run(session: Session, options: Options, arguments: list[str]) -> int:
    waiter = Waiter(session, arguments[0])
    try:
        container = _inspect(session, arguments[0])
        tty = container["Config"]["Tty"]
        stdin = not options.on("no-stdin") and container["Config"]["OpenStdin"]
        if not options.on("no-stdin") and tty and not is_terminal(0):
            raise CommandError("the input device is not a TTY")
        forward = options.on("sig-proxy") and not tty
        caught = signals.ALL if forward else (signals.WINCH,) if tty else ()
        with signals.Signals(caught) as pending, Raw(0 if tty and stdin else -1) as raw:
            return _follow(session, options, arguments[0], container, waiter, pending, raw, stdin, forward)
    finally:
        waiter.close()


def _follow(
    session: Session,
    options: Options,
    name: str,
    container: dict[str, Any],
    waiter: Waiter,
    pending: signals.Signals,
    raw: Raw,
    stdin: bool,
    forward: bool,
) -> int:
    identity, tty = container["Id"], container["Config"]["Tty"]
    text, keys = detach_keys(session, options.text("detach-keys"))
    connection = session.client.hijack(
        path("containers", name, "attach"),
        {"stream": True, "stdin": stdin, "stdout": True, "stderr": True, "detachKeys": text or None},
    )
    stream = Stream(connection, tty=tty, stdin=stdin, detach_keys=keys)
    try:
        _inspect(session, name)  # it may have ended between the first look and the attach
        window = container_window(session, identity) if tty and is_terminal(1) else None
        if window is not None:
            window.fit(extra=1)  # a change of size makes a full-screen program draw itself again
            window.fit()
        on_signal = Forwarder(session, identity) if forward else None
        follow(
            stream, waiter, pending, on_signal=on_signal, window=window, until=lambda: stream.ended or stream.detached
        )
        raw.restore()
        if stream.detached:
            raise CommandError("read escape sequence")
        follow(None, waiter, pending, on_signal=on_signal, until=lambda: waiter.status is not None)
        return waiter.status or 0
    finally:
        stream.close()
