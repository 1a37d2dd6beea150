"""``estiba cp``: files between a container and this machine, or a tar stream (``-``).

Where things land is as in ``cp -r``: into a directory that exists, else under the target's own name; ``DIR/.`` means
what is in DIR.
"""

from __future__ import annotations

import os

from estiba.cli.flags import BOOL, Command, Flag
from estiba.cli.session import CommandError
from estiba.cli.terminal import is_terminal
from estiba.cli.units import human_size
from estiba.client.engine import path
from estiba.client.transport import ResponseError, read_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command(
    "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n[OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
    "Copy files/folders between a container and the local filesystem",
    (
        Flag("archive", "a", BOOL, "Archive mode (copy all uid/gid information)"),
        Flag("follow-link", "L", BOOL, "Always follow symbol link in SRC_PATH"),
        Flag("quiet", "q", BOOL, "Suppress progress output during copy (it is shown on a terminal only)"),
    ),
    least=2,
    most=2,
    notes="A SRC_PATH of '-' is a tar archive on stdin that is unpacked into a directory of the container,\n"
    "a DEST_PATH of '-' a tar archive of the source on stdout.",
)
# bits of Go's os.FileMode
_GO_DIRECTORY, _GO_LINK = 1 << 31, 1 << 27
_GO_SPECIAL = (1 << 26) | (1 << 25) | (1 << 24) | (1 << 21) | (1 << 19)


def run(session: Session, options: Options, arguments: list[str]) -> int:
    for word, text in zip(("source", "destination"), arguments, strict=True):
        if not text:
            raise CommandError(f"{word} can not be empty")
    source, target = (_split(argument) for argument in arguments)
    if source[0] and target[0]:
        raise CommandError("copying between containers is not supported")
    if source[0]:
        return _copy_out(session, options, source, target[1])
    if target[0]:
        return _copy_in(session, options, source[1], target)
    raise CommandError("must specify at least one container source")


def _split(argument: str) -> tuple[str, str]:
    """Container and path; no container for what is absolute or begins with a dot."""
    container, colon, inside = argument.partition(":")
    if argument.startswith("/") or not colon or container.startswith("."):
        return "", argument
    return container, inside


def split_entry(place: str) -> tuple[str, str]:
    """Directory and last part; ``x/.`` keeps its dot: the content of x is meant."""
    clean = os.path.normpath(place) if place else "."
    if (place.endswith(("/.", "/")) and place.endswith("/.")) or place == ".":
        return clean, "."
    return os.path.dirname(clean) or ".", os.path.basename(clean) or "/"


def plan(source: str, source_is_directory: bool, target: str, target_is_directory: bool | None) -> tuple[str, str, str]:
    """Where to unpack and how to rename the top entry: (directory, name in the archive, name there).

    Args:
        target_is_directory: None when the target does not exist.

    Raises:
        CommandError: a directory onto a file, or a file to ``missing/``.
    """
    directory, base = split_entry(target)
    name = split_entry(source)[1]
    if target_is_directory:
        return target, name, name
    if target_is_directory is False and source_is_directory:
        raise CommandError("cannot copy directory")
    if target_is_directory is None and not source_is_directory and target.endswith(("/", "/.")):
        raise CommandError("no such directory")
    return directory, name, base


# ---- out of a container ---------------------------------------------------------------------------------------------


def _stat(headers: dict[str, str]) -> dict[str, Any]:
    from base64 import b64decode

    from estiba.client.quickjson import loads

    found: dict[str, Any] = loads(b64decode(headers.get("x-docker-container-path-stat", "e30=")).decode())
    return found


def _look(session: Session, container: str, place: str) -> dict[str, Any] | None:
    """What is at a path of the container; None when nothing is."""
    try:
        reply = session.client.request("HEAD", path("containers", container, "archive"), {"path": place})
    except ResponseError:
        return None
    session.client.finish(reply)
    return _stat(reply.headers)


def _follow(place: str, link: str) -> str:
    return link if link.startswith("/") else os.path.normpath(os.path.join(split_entry(place)[0], link))


def _copy_out(session: Session, options: Options, source: tuple[str, str], target: str) -> int:
    container, place = source
    called = split_entry(place)[1]
    if options.on("follow-link"):
        found = _look(session, container, place)
        if found and found["mode"] & _GO_LINK:
            place = _follow(place, found["linkTarget"])
    if target != "-":
        _check_local_target(target)
    reply = session.client.request("GET", path("containers", container, "archive"), {"path": place})
    try:
        if target == "-":
            from estiba.cli.streams import write_all

            session.flush()
            for block in reply.blocks():
                write_all(1, block)
            return 0
        from estiba.cli.archives import Reader, unpack

        status = _stat(reply.headers)
        existing = os.path.isdir(target) if os.path.lexists(target) else None
        directory, name, new = plan(place, bool(status["mode"] & _GO_DIRECTORY), target, existing)
        if existing and name != ".":
            new = called  # a followed link keeps the name that was asked for
        reader = Reader(reply.blocks())
        unpack(reader, directory, name, new)
    finally:
        reply.close()
    _tell(session, options, reader.count, os.path.abspath(target))
    return 0


def _check_local_target(target: str) -> None:
    parent = split_entry(target)[0]
    if not os.path.isdir(target) and not os.path.isdir(parent):
        shown = os.path.abspath(parent)
        raise CommandError(f'invalid output path: directory "{shown}" does not exist')
    if os.path.lexists(target) and not os.path.isdir(target) and not os.path.isfile(target):
        raise CommandError(f'invalid output path: "{os.path.abspath(target)}" must be a directory or a regular file')


# ---- into a container -----------------------------------------------------------------------------------------------


def _copy_in(session: Session, options: Options, source: str, target: tuple[str, str]) -> int:
    container, place = target
    found = _look(session, container, place)
    if found and found["mode"] & _GO_LINK:
        place = _follow(place, found["linkTarget"])
        found = _look(session, container, place)
    if found and found["mode"] & _GO_SPECIAL:
        raise CommandError(f'destination "{container}:{target[1]}" must be a directory or a regular file')
    existing = bool(found["mode"] & _GO_DIRECTORY) if found else None
    if source == "-":
        if not existing:
            raise CommandError(f'destination "{container}:{target[1]}" must be a directory')
        counter = _Counter(read_file("-"))
        directory = place
    else:
        from estiba.cli.archives import pack

        local = _local_source(source, follow=options.on("follow-link"))
        directory, name, new = plan(source, os.path.isdir(local) and not os.path.islink(local), place, existing)
        counter = _Counter(pack(local, new if name != "." or new != name else "."))
    query = {"path": directory, "noOverwriteDirNonDir": "true", "copyUIDGID": "true" if options.on("archive") else None}
    headers = {"Content-Type": "text/plain"}
    reply = session.client.request(
        "PUT", path("containers", container, "archive"), query, upload=counter, headers=headers
    )
    session.client.finish(reply)
    _tell(session, options, counter.count, f"{container}:{place}")
    return 0


def _local_source(source: str, *, follow: bool) -> str:
    """The path to pack: a link itself, unless it is to be followed or ends with a slash."""
    if not os.path.lexists(source.rstrip("/") or "/"):
        raise CommandError(f"lstat {os.path.abspath(source)}: no such file or directory")
    return os.path.realpath(source) if follow or source.endswith(("/", "/.")) else source


class _Counter:
    """Passes blocks on and counts their bytes."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = blocks
        self.count = 0

    def __iter__(self) -> Iterator[bytes]:
        for block in self._blocks:
            self.count += len(block)
            yield block


def _tell(session: Session, options: Options, count: int, where: str) -> None:
    if is_terminal(1) and not options.on("quiet"):
        session.warn(f"Successfully copied {human_size(count, 3)} to {where}")
