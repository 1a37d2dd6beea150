"""``estiba exec``: another program in a running container."""

from __future__ import annotations

from estiba.cli import signals, terminal
from estiba.cli.attachment import Window, detach_keys, follow
from estiba.cli.flags import BOOL, LIST, TEXT, Command, Flag, Kind
from estiba.cli.key_files import read_pairs
from estiba.cli.option_values import parse_env
from estiba.cli.session import CommandError
from estiba.cli.streams import Stream
from estiba.client.engine import path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command(
    "[OPTIONS] CONTAINER COMMAND [ARG...]",
    "Execute a command in a running container",
    (
        Flag("detach", "d", BOOL, "Detached mode: run command in the background"),
        Flag("detach-keys", "", TEXT, "Override the key sequence for detaching a container"),
        Flag("env", "e", Kind("list", parse_env, many=True), "Set environment variables"),
        Flag("env-file", "", LIST, "Read in a file of environment variables"),
        Flag("interactive", "i", BOOL, "Keep STDIN open even if not attached"),
        Flag("privileged", "", BOOL, "Give extended privileges to the command"),
        Flag("tty", "t", BOOL, "Allocate a pseudo-TTY"),
        Flag("user", "u", TEXT, 'Username or UID (format: "<name|uid>[:<group|gid>]")'),
        Flag("workdir", "w", TEXT, "Working directory inside the container"),
    ),
    least=2,
    mixed=False,
)


def _body(session: Session, options: Options, command: list[str]) -> dict[str, Any]:
    attached = not options.on("detach")
    try:
        environment = [*read_pairs(options.many("env-file"), environment=True), *options.many("env")]
    except ValueError as error:
        raise CommandError(str(error)) from None
    body = {
        "User": options.text("user"),
        "Privileged": options.on("privileged"),
        "Tty": options.on("tty"),
        "AttachStdin": attached and options.on("interactive"),
        "AttachStderr": attached,
        "AttachStdout": attached,
        "DetachKeys": detach_keys(session, options.text("detach-keys"))[0],
        "Env": environment or None,
        "WorkingDir": options.text("workdir"),
        "Cmd": command,
        "Detach": options.on("detach"),
    }
    return {**body, "ConsoleSize": list(terminal.size())} if options.on("tty") else body


def run(session: Session, options: Options, arguments: list[str]) -> int:
    container, *command = arguments
    body = _body(session, options, command)
    session.client.get(path("containers", container, "json"))  # "no such container" comes before "not a TTY"
    if body["AttachStdin"] and body["Tty"] and not terminal.is_terminal(0):
        raise CommandError("the input device is not a TTY")
    identity = session.client.post(path("containers", container, "exec"), None, body)["Id"]
    start = {"Detach": body["Detach"], "Tty": body["Tty"]}
    if "ConsoleSize" in body:
        start["ConsoleSize"] = body["ConsoleSize"]
    if body["Detach"]:
        session.client.post(path("exec", identity, "start"), None, start)
        return 0
    _attached(session, options, identity, body, start)
    code: int = session.client.get(path("exec", identity, "json"))["ExitCode"] or 0
    return code


def _attached(session: Session, options: Options, identity: str, body: dict[str, Any], start: dict[str, Any]) -> None:
    tty = body["Tty"]
    _, keys = detach_keys(session, options.text("detach-keys"))
    with signals.Signals((signals.WINCH,) if tty else ()) as caught:
        with terminal.Raw(0 if tty and body["AttachStdin"] else -1):
            connection = session.client.hijack(path("exec", identity, "start"), None, start)
            stream = Stream(connection, tty=tty, stdin=body["AttachStdin"], detach_keys=keys)
            try:
                window = Window(session, path("exec", identity, "resize")) if tty and terminal.is_terminal(0) else None
                if window is not None:
                    window.fit()
                follow(stream, None, caught, window=window, until=lambda: stream.ended or stream.detached)
            finally:
                stream.close()
    if stream.detached:
        raise CommandError("read escape sequence")
