"""One process under a shim of its own, from its plan to its first instruction; containers and execs share this.

The run directory and the listener are made, the requests are queued on the control socket, then the shim is spawned: it
finds everything there and answers once, STARTED or FAILED.
"""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from estiba.errors import EstibaError, SystemFailure
from estiba.linux import memfd, sockets
from estiba.runtime import protocol
from estiba.runtime.monitor import Shim
from estiba.runtime.protocol import Message, Type
from estiba.runtime.state import SOCKET

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence
    from pathlib import Path

    from estiba.runtime.monitor import Attachment
    from estiba.runtime.plan import LogFile
    from estiba.runtime.spawn import Program

# As many requests fit into the control socket's buffer before anybody reads them.
_QUEUED: Final = 8
_START_ID: Final = 1
_FIRST_ATTACHMENT_ID: Final = 2


class Plan(Protocol):
    """What the shim executes, and how its failure is told."""

    def encode(self) -> bytes:
        """The plan's bytes."""

    def explain(self, index: int, code: int, errno: int, text: str) -> EstibaError:
        """The error for the operation that failed."""


@dataclass
class Numbers:
    """Descriptors for a plan: each gets the next number in the shim. Owned; close() ends them."""

    owned: ExitStack = field(default_factory=ExitStack)
    sources: dict[int, int] = field(default_factory=dict)

    def add(self, descriptor: int) -> int:
        """Give a descriptor away; the number by which the plan may name it."""
        self.owned.callback(os.close, descriptor)
        return self.share(descriptor)

    def share(self, descriptor: int) -> int:
        """As `add`, of a descriptor that stays its owner's."""
        number = protocol.FD_PLANNED + len(self.sources)
        self.sources[number] = descriptor
        return number


def make_run_directory(path: Path) -> None:
    """Make a run directory, 0700; what an earlier start left there is removed."""
    try:
        path.mkdir(0o700)
    except FileExistsError:
        shutil.rmtree(path)
        path.mkdir(0o700)
    except FileNotFoundError:
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        path.mkdir(0o700)


def start_process(
    program: Program,
    role: str,
    plan: Plan,
    numbers: Numbers,
    *,
    directory: Path,
    log: LogFile | None = None,
    attachments: Sequence[Attachment] = (),
) -> Shim:
    """Execute the plan under a new shim and return that, once the program runs.

    directory is the run directory, which exists. The attachments' descriptors are given away with success only.

    Raises StartFailed as the plan explains it; SystemFailure when there is no shim.
    """
    with ExitStack() as resources:
        ours, theirs = sockets.pair()
        resources.enter_context(theirs)
        undo = resources.enter_context(ExitStack())
        undo.callback(ours.close)
        descriptors = {protocol.FD_CONTROL: theirs.fileno(), **numbers.sources}
        _add_places(descriptors, resources, directory, log)
        descriptors[protocol.FD_PLAN] = memfd.sealed("plan", plan.encode())
        resources.callback(os.close, descriptors[protocol.FD_PLAN])
        messages = [
            (attachment.request(number), attachment.descriptor)
            for number, attachment in enumerate(attachments, _FIRST_ATTACHMENT_ID)
        ]
        _send(ours, messages[:_QUEUED])
        if len(messages) <= _QUEUED:
            _send(ours, [(Message(Type.START, _START_ID), None)])
        pid = _spawn(program, role, descriptors)
        theirs.close()
        try:
            if len(messages) > _QUEUED:
                _send(ours, [*messages[_QUEUED:], (Message(Type.START, _START_ID), None)])
            shim = _await_start(ours, plan)
        except BaseException:
            program.end(pid)  # and with it its program, if there is one by now
            raise
        undo.pop_all()
        for attachment in attachments:
            os.close(attachment.descriptor)
        return shim


def _add_places(descriptors: dict[int, int], resources: ExitStack, directory: Path, log: LogFile | None) -> None:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    run_directory = os.open(directory, flags)
    resources.callback(os.close, run_directory)
    descriptors[protocol.FD_RUN_DIRECTORY] = run_directory
    listener = resources.enter_context(sockets.listen_at(run_directory, SOCKET))
    descriptors[protocol.FD_LISTENER] = listener.fileno()
    try:
        place = os.open(log.directory if log is not None else os.devnull, flags if log is not None else os.O_RDONLY)
    except OSError as error:
        raise SystemFailure(f"cannot open the log's directory {error.filename}: {error.strerror}") from error
    resources.callback(os.close, place)
    descriptors[protocol.FD_LOG_DIRECTORY] = place


def _spawn(program: Program, role: str, descriptors: dict[int, int]) -> int:
    try:
        return program.start(role, descriptors)
    except OSError as error:
        raise SystemFailure(f"cannot run {program.path}: {error.strerror}") from error


def _send(control: socket.socket, messages: Sequence[tuple[Message, int | None]]) -> None:
    for message, descriptor in messages:
        with suppress(BrokenPipeError):  # the answer, or its absence, says why
            sockets.send(control, message.encode(), descriptor)


def _await_start(control: socket.socket, plan: Plan) -> Shim:
    refused = None
    while True:
        try:
            data, descriptor = sockets.receive(control, protocol.MESSAGE_SIZE)
        except ConnectionResetError:
            data, descriptor = b"", None
        if not data:
            raise SystemFailure("the shim ended before it started the program; the kernel's log may say why")
        message = protocol.decode(data)
        match message.type:
            case Type.STARTED if descriptor is not None:
                shim = Shim(control, message.a, descriptor)
                if refused is None:
                    return shim
                os.close(shim.pidfd)
                raise SystemFailure(f"the shim refused an attachment: {os.strerror(refused)}")
            case Type.FAILED:
                raise plan.explain(message.a, message.b, message.c, message.payload.decode(errors="replace"))
            case Type.DONE if message.id != _START_ID:
                refused = message.a
