"""``estiba start``: start stopped containers; with -a or -i be the terminal of one."""

from __future__ import annotations

from estiba.cli import describe, signals
from estiba.cli.attachment import Forwarder, container_window, detach_keys, follow
from estiba.cli.flags import BOOL, TEXT, Command, Flag
from estiba.cli.session import CommandError
from estiba.cli.streams import Stream
from estiba.cli.terminal import Raw, is_terminal
from estiba.cli.waiting import Waiter
from estiba.client.engine import path
from estiba.client.transport import ResponseError
from estiba.errors import EstibaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Start one or more stopped containers",
    (
        Flag("attach", "a", BOOL, "Attach STDOUT/STDERR and forward signals"),
        Flag("detach-keys", "", TEXT, "Override the key sequence for detaching a container"),
        Flag("interactive", "i", BOOL, "Attach container's STDIN"),
    ),
    least=1,
)


def run(session: Session, options: Options, names: list[str]) -> int:
    if not (options.on("attach") or options.on("interactive")):
        return _start_all(session, names)
    if len(names) > 1:
        raise CommandError("you cannot start and attach multiple containers at once")
    return _start_attached(session, options, session.client.get(path("containers", names[0], "json")))


def _start_all(session: Session, names: list[str]) -> int:
    failed = []
    for name in names:
        try:
            session.client.post(path("containers", name, "start"))
        except EstibaError as error:
            session.warn(describe(error))
            failed.append(name)
        else:
            session.print(name)
    if failed:
        raise CommandError(f"Error: failed to start containers: {', '.join(failed)}")
    return 0


def _start_attached(session: Session, options: Options, container: dict[str, Any]) -> int:
    identity, tty = container["Id"], container["Config"]["Tty"]
    stdin = options.on("interactive") and container["Config"]["OpenStdin"]
    text, keys = detach_keys(session, options.text("detach-keys"))
    with signals.Signals((signals.WINCH,) if tty else signals.ALL) as caught, Raw(0 if tty and stdin else -1) as raw:
        connection = session.client.hijack(
            path("containers", identity, "attach"),
            {"stream": True, "stdin": stdin, "stdout": True, "stderr": True, "detachKeys": text or None},
        )
        stream = Stream(connection, tty=tty, stdin=stdin, detach_keys=keys)
        remove = container["HostConfig"]["AutoRemove"]
        waiter: Waiter | None = None
        try:
            waiter = Waiter(session, identity, "removed" if remove else "next-exit")
            try:
                session.client.post(path("containers", identity, "start"))
            except ResponseError:
                if remove:
                    waiter.removed_in_time()
                raise
            window = container_window(session, identity) if tty and is_terminal(1) else None
            if window is not None:
                window.fit()
            forward = None if tty else Forwarder(session, identity)
            follow(
                stream, waiter, caught, on_signal=forward, window=window, until=lambda: stream.ended or stream.detached
            )
            raw.restore()
            if stream.detached:
                return 0
            follow(None, waiter, caught, on_signal=forward, until=lambda: waiter.status is not None)
            return waiter.status or 0
        finally:
            stream.close()
            if waiter is not None:
                waiter.close()
