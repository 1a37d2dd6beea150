"""Archives for people: never to a terminal, to a file only when they are whole."""

from __future__ import annotations

import os

from estiba.cli.session import CommandError
from estiba.cli.streams import write_all
from estiba.cli.terminal import is_terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from estiba.client.transport import Response


def write_output(path: str, what: str, ask: Callable[[], Response]) -> int:
    """Write a reply's body to a file (empty path: stdout). The file appears, or is replaced, when the body is complete.

    Raises:
        CommandError: stdout is a terminal, or the path cannot be written.
    """
    if not path:
        if is_terminal(1):
            raise CommandError("cowardly refusing to save to a terminal. Use the -o flag or redirect")
        return _copy(ask(), 1)
    check_output(path, what)
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe or device: written as it is
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            return _copy(ask(), descriptor)
        finally:
            os.close(descriptor)
    reply = ask()
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _copy(reply, descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
    except BaseException:
        reply.close()
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
    return 0


def check_output(path: str, what: str) -> None:
    """Refuse a directory, and a file whose directory does not exist."""
    parent = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(parent):
        raise CommandError(f"failed to {what}: invalid output path: stat {parent}: no such file or directory")
    if os.path.isdir(path):
        raise CommandError(f'failed to {what}: invalid output path: "{path}" must be a regular file')


def _copy(reply: Response, descriptor: int) -> int:
    try:
        for block in reply.blocks():
            write_all(descriptor, block)
    finally:
        reply.close()
    return 0
