"""Reading a container's log: a process of its own copies it into the client's socket, Python carries no byte."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from estiba.engine.state import Container, Running
from estiba.errors import InvalidArgument, Unsupported
from estiba.runtime.create import LogFile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from estiba.engine.attachments import AttachRequest
    from estiba.engine.reaper import Reaper
    from estiba.engine.records import ContainerRecords
    from estiba.engine.shims import Shims
    from estiba.runtime.create import Runtime
    from estiba.runtime.monitor import Attachment, Shim

_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)([kmg]?)b?")
_TAG_FIELD = re.compile(r"\{\{\s*\.(\w+)\s*\}\}")
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


@dataclass(frozen=True)
class LogRequest:
    """Which part of a log, and how. Times in ns since the epoch; tail -1: all lines; chunked: as HTTP/1.1 chunks."""

    stdout: bool = True
    stderr: bool = True
    since: int = 0
    until: int = 0
    tail: int = -1
    follow: bool = False
    timestamps: bool = False
    details: bool = False
    chunked: bool = False


class ContainerLogs:
    """The logs of an engine's containers."""

    def __init__(self, *, records: ContainerRecords, shims: Shims, runtime: Runtime, reaper: Reaper) -> None:
        self._records = records
        self._reaper = reaper
        self._shims = shims
        self._runtime = runtime

    def check(self, reference: str, request: LogRequest) -> Container:
        """The container, if its log can be read. Raises NotFound, InvalidArgument, Unsupported."""
        if not request.stdout and not request.stderr:
            raise InvalidArgument("Bad parameters: you must choose at least one stream")
        container = self._records.get(reference)
        if container.host.log_config.type == "none":
            raise Unsupported("configured logging driver does not support reading")
        return container

    def read(self, reference: str, request: LogRequest, descriptor: int) -> None:
        """Write the log into a blocking socket, which is given away and closed at the end."""
        container = self.check(reference, request)
        shim = self._shims.find(container.id) if isinstance(container.state, Running) else None
        self._reaper.reap(self._copy(container, request, descriptor, shim=shim))

    def replay(self, container: Container, request: AttachRequest, descriptor: int) -> None:
        """Write what was logged so far and close: an attachment that wants no more, or to an ended container."""
        wanted = LogRequest(stdout=request.stdout, stderr=request.stderr)
        self._reaper.reap(self._copy(container, wanted, descriptor))

    def replay_then_attach(
        self, container: Container, request: AttachRequest, attachment: Attachment, shim: Shim
    ) -> None:
        """Write what was logged so far, then let the attachment go on from exactly there."""
        wanted = LogRequest(stdout=request.stdout, stderr=request.stderr)

        def replay(inode: int, offset: int) -> int:
            return self._copy(container, wanted, os.dup(attachment.descriptor), end=(inode, offset))

        self._reaper.reap(shim.attach_replayed(attachment, replay)[1])

    def _copy(
        self,
        container: Container,
        request: LogRequest,
        descriptor: int,
        *,
        end: tuple[int, int] | None = None,
        shim: Shim | None = None,
    ) -> int:
        details = _details(container) if request.details else None
        return self._runtime.logs(
            log_file(container),
            descriptor,
            stdout=request.stdout,
            stderr=request.stderr,
            since_ns=request.since,
            until_ns=request.until,
            tail=request.tail,
            follow=request.follow,
            timestamps=request.timestamps,
            framed=not container.config.tty,
            chunked=request.chunked,
            details=details,
            end=end,
            shim=shim,
        )


def log_file(container: Container) -> LogFile:
    """Where a container's log is, and its rotation: 20 MB five times unless the options say otherwise."""
    options = container.host.log_config.config or {}
    return LogFile(
        directory=Path(container.directory),
        name=f"{container.id}-json.log",
        max_size=parse_size(options.get("max-size", "20m")),
        max_files=int(options.get("max-file", "5")),
    )


def parse_size(text: str) -> int:
    """Bytes of `20m`, `1g`, `500`; -1 for `-1`. Raises ValueError."""
    if text.strip() == "-1":
        return -1
    match = _SIZE.fullmatch(text.strip().lower())
    if match is None:
        raise ValueError(f"no size: {text[:32]!r}")
    return int(float(match[1]) * _UNITS[match[2]])


def _chosen(values: Mapping[str, str], names: str, pattern: str) -> dict[str, str]:
    """Those that a list of names, separated by commas, or a regular expression chooses."""
    listed = set(names.split(","))
    try:
        matching = re.compile(pattern) if pattern else None
    except re.error:
        matching = None
    return {
        name: value
        for name, value in values.items()
        if name in listed or (matching is not None and matching.search(name))
    }


def _tag_values(container: Container) -> dict[str, str]:
    """The fields that a log tag's template may have."""
    image = container.image.removeprefix("sha256:")
    return {
        "ID": container.id[:12],
        "FullID": container.id,
        "Name": container.name,
        "ImageID": image[:12],
        "ImageFullID": image,
        "ImageName": container.config.image,
        "DaemonName": "docker",
    }


def _details(container: Container) -> bytes:
    """The attributes that the log options choose, as `details` shows them before each line."""
    options = container.host.log_config.config or {}
    chosen: dict[str, str] = {}
    labels = container.config.labels or {}
    chosen |= _chosen(labels, options.get("labels", ""), options.get("labels-regex", ""))
    environment = dict(item.partition("=")[::2] for item in container.config.env or [])
    chosen |= _chosen(environment, options.get("env", ""), options.get("env-regex", ""))
    if tag := options.get("tag", ""):
        chosen["tag"] = _TAG_FIELD.sub(lambda field: _tag_values(container).get(field[1], field[0]), tag)
    return ",".join(f"{key}={value}" for key, value in sorted(chosen.items())).encode() + b" "
