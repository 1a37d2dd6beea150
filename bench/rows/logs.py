"""A container's log: lines of 100 bytes written at full speed, then read back and compared with what was written."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench.api import stream
from bench.figures import DOCKER, Target
from bench.images import LINES_SIZE, lines
from bench.row import Row, timed
from bench.rows.lives import config

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.engines import Engine
    from bench.row import Sampler, Setting

SCRIPT = "i=0; while [ $i -lt $0 ]; do cat /lines; i=$((i+1)); done"


@contextmanager
def log(engine: Engine, setting: Setting) -> Iterator[Sampler]:
    """MB/s of the program's output, not of the log's format."""
    # enough to take a second or so on either engine
    times = setting.size(4, 1) if engine.name == DOCKER else setting.size(32, 4)
    # Docker does not rotate unless it is asked to, and does not know its own default's name
    options = {} if engine.name == DOCKER else {"max-size": "-1"}
    body = config("sh", "-c", SCRIPT, str(times), LogConfig={"Type": "json-file", "Config": options})
    size = times * LINES_SIZE
    place = setting.memory / f"log-{engine.name}"
    checked = False
    with engine.api() as api, open(place, "w+b") as out:

        def sample() -> dict[str, float]:
            nonlocal checked
            spent: dict[str, float] = {}
            out.truncate(0)
            out.seek(0)
            container = api.json("POST", "/containers/create", body)["Id"]
            try:
                with timed(spent, "write"):
                    api.call("POST", f"/containers/{container}/start")
                    api.call("POST", f"/containers/{container}/wait")
                with timed(spent, "read"):
                    stream(engine.socket, f"/containers/{container}/logs?stdout=1&stderr=1", out.fileno())
            finally:
                api.call("DELETE", f"/containers/{container}?force=1")
            if not checked:
                out.seek(0)
                compare(out.read(), times)
                checked = True
            return {name: size / milliseconds / 1000 for name, milliseconds in spent.items()}

        try:
            yield sample
        finally:
            os.unlink(place)


def compare(reply: bytes, times: int) -> None:
    """Raises RuntimeError unless a raw reply holds the lines that many times, and nothing else."""
    head, body = reply.split(b"\r\n\r\n", 1)
    if b"transfer-encoding: chunked" in head.lower():
        body = unchunked(body)
    if unframed(body) != lines() * times:
        raise RuntimeError("the log read back is not what was written")


def unchunked(data: bytes) -> bytes:
    """The content of a chunked body."""
    parts: list[bytes] = []
    place = 0
    while place < len(data):
        end = data.index(b"\r\n", place)
        size = int(data[place:end], 16)
        parts.append(data[end + 2 : end + 2 + size])
        place = end + 2 + size + 2
    return b"".join(parts)


def unframed(data: bytes) -> bytes:
    """The content of a multiplexed stream."""
    parts: list[bytes] = []
    place = 0
    while place < len(data):
        size = int.from_bytes(data[place + 4 : place + 8], "big")
        parts.append(data[place + 8 : place + 8 + size])
        place += 8 + size
    return b"".join(parts)


ROWS = (
    Row(
        "log",
        log,
        (
            Target("write", "container log, written at full speed", "MB/s", 300, 300 / 26, more=True),
            Target("read", "container log, read back, nothing lost", "MB/s", 300, 300 / 11, more=True),
        ),
        repeat=5,
        quick=2,
        warm=0,
    ),
)
