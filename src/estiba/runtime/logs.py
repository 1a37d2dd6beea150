"""Reading a container's log: the static program in its logs role copies it into a client's socket."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from estiba.errors import SystemFailure
from estiba.linux import memfd
from estiba.runtime import protocol
from estiba.runtime.protocol import Logs, LogsRequest

if TYPE_CHECKING:
    from estiba.runtime.plan import LogFile
    from estiba.runtime.spawn import Program

_DETAILS_SIZE: Final = 4096


def logs_flags(
    *, stdout: bool, stderr: bool, follow: bool, timestamps: bool, framed: bool, chunked: bool, details: bool
) -> Logs:
    """The flags of a request."""
    flags = Logs(0)
    for wanted, flag in (
        (stdout, Logs.STDOUT),
        (stderr, Logs.STDERR),
        (follow, Logs.FOLLOW),
        (timestamps, Logs.TIMESTAMPS),
        (framed, Logs.FRAMED),
        (chunked, Logs.CHUNKED),
        (details, Logs.DETAILS),
    ):
        flags |= flag if wanted else Logs(0)
    return flags


def copy_log(program: Program, log: LogFile, request: LogsRequest, client: int) -> int:
    """Start to copy into the socket `client`, which is given away with success. Returns a pidfd, owned by the caller.

    Raises SystemFailure when the log's directory is gone or the program cannot run.
    """
    request = replace(request, details=request.details[:_DETAILS_SIZE])
    with ExitStack() as resources:
        try:
            directory = os.open(log.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise SystemFailure(f"cannot open the log's directory {log.directory}: {error.strerror}") from error
        resources.callback(os.close, directory)
        wanted = memfd.sealed("logs", request.encode())
        resources.callback(os.close, wanted)
        descriptors = {
            protocol.FD_LOGS_REQUEST: wanted,
            protocol.FD_LOGS_CLIENT: client,
            protocol.FD_LOGS_DIRECTORY: directory,
        }
        try:
            pid = program.start("logs", descriptors)
        except OSError as error:
            raise SystemFailure(f"cannot run {program.path}: {error.strerror}") from error
        try:
            return os.pidfd_open(pid)
        finally:
            os.close(client)
