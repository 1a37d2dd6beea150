"""`docker run -i`: binary bytes through `cat` in a container and back, compared; and what the engine's own CPU does."""

from __future__ import annotations

import filecmp
import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench.figures import Target
from bench.images import SMALL
from bench.row import Row, timed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.engines import Engine
    from bench.row import Sampler, Setting

MEGABYTE = 1_000_000


@contextmanager
def attach(engine: Engine, setting: Setting) -> Iterator[Sampler]:
    """1 GB, from memory to memory."""
    count = setting.size(1000, 100)
    source, back = setting.memory / f"sent-{engine.name}", setting.memory / f"back-{engine.name}"
    with open(source, "wb") as file:
        for _ in range(count):
            file.write(os.urandom(MEGABYTE))
    line = engine.command("run", "-i", "--rm", "--network", "none", SMALL, "cat")

    def sample() -> dict[str, float]:
        times: dict[str, float] = {}
        cpu = engine.cpu_seconds()
        with open(source, "rb") as sent, open(back, "wb") as received, timed(times, "whole"):
            subprocess.run(line, stdin=sent, stdout=received, check=True)
        cpu = engine.cpu_seconds() - cpu
        if not filecmp.cmp(source, back, shallow=False):
            raise RuntimeError("what came back is not what was sent")
        return {"rate": count / times["whole"] * 1000, "cpu": cpu * 1000}

    try:
        yield sample
    finally:
        source.unlink()
        back.unlink(missing_ok=True)


ROWS = (
    Row(
        "attach",
        attach,
        (
            Target("rate", "attach: 1 GB of stdin and back, docker run -i", "MB/s", None, 2, more=True),
            Target("cpu", "  the engine's CPU time meanwhile", "ms", 50),
        ),
        repeat=5,
        quick=2,
        warm=0,
    ),
)
