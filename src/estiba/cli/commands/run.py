"""``estiba run``: create a container, attach, start it, and be its terminal until it ends.

The order of requests is Docker's (create, attach, wait, start): output and exit of the shortest program are seen.
"""

from __future__ import annotations

from estiba.cli import signals
from estiba.cli.attachment import Forwarder, container_window, detach_keys, follow
from estiba.cli.container_flags import CONTAINER_FLAGS
from estiba.cli.creation import container_body, create, failed, start_failure_code
from estiba.cli.flags import BOOL, TEXT, Command, Flag
from estiba.cli.session import CommandError
from estiba.cli.terminal import Raw, is_terminal
from estiba.cli.waiting import Waiter
from estiba.client.engine import path
from estiba.client.transport import ResponseError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from estiba.cli.flags import Options
    from estiba.cli.session import Session
    from estiba.cli.streams import Stream

COMMAND = Command(
    "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    "Create and run a new container from an image",
    (
        *CONTAINER_FLAGS,
        Flag("detach", "d", BOOL, "Run container in background and print container ID"),
        Flag("detach-keys", "", TEXT, "Override the key sequence for detaching a container"),
        Flag("sig-proxy", "", BOOL, "Proxy received signals to the process", True),
    ),
    least=1,
    mixed=False,
)


def run(session: Session, options: Options, arguments: list[str]) -> int:
    body = container_body(session, options, arguments, "run")
    detached = options.on("detach")
    if detached:
        if options.many("attach"):
            raise CommandError("conflicting options: cannot specify both --attach and --detach")
        body.update(AttachStdin=False, AttachStdout=False, AttachStderr=False, StdinOnce=False)
    elif body["AttachStdin"] and body["Tty"] and not is_terminal(0):
        raise CommandError("the input device is not a TTY")
    try:
        container = create(session, options, body)
    except (ResponseError, CommandError) as error:
        raise _failure(session, error) from None
    if not (body["AttachStdin"] or body["AttachStdout"] or body["AttachStderr"]):
        session.print(container)
        return _start_only(session, container, remove=body["HostConfig"]["AutoRemove"])
    return _attached(session, options, body, container)


def _failure(session: Session, error: ResponseError | CommandError) -> CommandError:
    text = f"Error response from daemon: {error.message}" if isinstance(error, ResponseError) else error.message
    return failed(session, text, "run", start_failure_code(text))


def _start_only(session: Session, container: str, *, remove: bool) -> int:
    waiter = Waiter(session, container, "removed") if remove else None
    try:
        session.client.post(path("containers", container, "start"))
    except ResponseError as error:
        if waiter is not None:
            waiter.removed_in_time()
        raise _failure(session, error) from None
    finally:
        if waiter is not None:
            waiter.close()
    return 0


def _attached(session: Session, options: Options, body: dict[str, Any], container: str) -> int:
    forward = options.on("sig-proxy")
    caught = signals.ALL if forward else (signals.WINCH,) if body["Tty"] else ()
    with signals.Signals(caught) as pending, Raw(0 if body["Tty"] and body["AttachStdin"] else -1) as raw:
        stream = _attach(session, options, body, container)
        try:
            remove = body["HostConfig"]["AutoRemove"]
            waiter = Waiter(session, container, "removed" if remove else "next-exit")
            try:
                _start(session, container, stream, waiter if remove else None)
                window = container_window(session, container) if body["Tty"] and is_terminal(1) else None
                if window is not None:
                    window.fit()
                on_signal = Forwarder(session, container) if forward else None
                output = body["AttachStdout"] or body["AttachStderr"]
                follow(
                    stream,
                    waiter,
                    pending,
                    on_signal=on_signal,
                    window=window,
                    until=lambda: stream.detached or (stream.ended if output else waiter.status is not None),
                )
                raw.restore()
                if stream.detached:
                    return 0
                follow(None, waiter, pending, on_signal=on_signal, until=lambda: waiter.status is not None)
                return waiter.status or 0
            finally:
                waiter.close()
        finally:
            stream.close()


def _attach(session: Session, options: Options, body: dict[str, Any], container: str) -> Stream:
    from estiba.cli.streams import Stream

    text, keys = detach_keys(session, options.text("detach-keys"))
    connection = session.client.hijack(
        path("containers", container, "attach"),
        {
            "stream": True,
            "stdin": body["AttachStdin"],
            "stdout": body["AttachStdout"],
            "stderr": body["AttachStderr"],
            "detachKeys": text or None,
        },
    )
    return Stream(
        connection,
        tty=body["Tty"],
        stdin=body["AttachStdin"],
        stdout=body["AttachStdout"] or body["Tty"],
        stderr=body["AttachStderr"],
        detach_keys=keys,
    )


def _start(session: Session, container: str, stream: Stream, waiter: Waiter | None) -> None:
    try:
        session.client.post(path("containers", container, "start"))
    except ResponseError as error:
        stream.close()
        if waiter is not None:  # with --rm the engine removes it: be sure that it is gone
            waiter.removed_in_time()
        raise _failure(session, error) from None
