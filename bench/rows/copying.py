"""`docker cp` of 5,000 small files into a running container and out again, whole commands.

The command makes and unpacks archives itself: its own part is measured too, against a server that does nothing.
"""

from __future__ import annotations

import itertools
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench.figures import Target
from bench.nobody import nobody
from bench.row import Row, timed
from bench.rows.lives import running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.engines import Engine
    from bench.row import Sampler, Setting

PER_DIRECTORY = 100


@contextmanager
def copy(engine: Engine, setting: Setting) -> Iterator[Sampler]:
    """Each repetition copies to another place."""
    count = setting.size(5000, 1000)
    source, back = setting.directory / f"files-{engine.name}", setting.directory / f"copied-{engine.name}"
    fill(source, count)
    numbers = itertools.count()
    socket = setting.memory / f"nobody-{engine.name}"
    with nobody(socket, source) as alone, engine.api() as api, running(api, "sleep", "1000000") as container:

        def sample() -> dict[str, float]:
            times: dict[str, float] = {}
            inside = f"{container}:/copy{next(numbers)}"
            with timed(times, "in"):
                subprocess.run(engine.command("cp", "-q", str(source), inside), check=True)
            with timed(times, "out"):
                subprocess.run(engine.command("cp", "-q", inside, str(back)), check=True)
            found = sum(path.is_file() for path in back.rglob("*"))
            if found != count:
                raise RuntimeError(f"{found} of {count} files came back")
            shutil.rmtree(back)
            with timed(times, "in alone"):
                subprocess.run(["docker", "-H", f"unix://{alone}", "cp", "-q", str(source), "x:/"], check=True)
            with timed(times, "out alone"):
                subprocess.run(["docker", "-H", f"unix://{alone}", "cp", "-q", "x:/x", str(back)], check=True)
            shutil.rmtree(back)
            return times

        try:
            yield sample
        finally:
            shutil.rmtree(source)


def fill(place: Path, count: int) -> None:
    """Files of 0 to 4 kB, a hundred in a directory."""
    for number in range(count):
        directory = place / str(number // PER_DIRECTORY)
        if number % PER_DIRECTORY == 0:
            directory.mkdir(parents=True)
        (directory / f"file{number}").write_bytes(b"x" * (number * 37 % 4096))


ROWS = (
    Row(
        "copy",
        copy,
        (
            Target("in", "docker cp of 5,000 files in", "ms", 250, 0.25 / 0.7),
            Target("in alone", "  the command's own part", "ms"),
            Target("out", "docker cp of 5,000 files out", "ms", 400, 0.4 / 1.4),
            Target("out alone", "  the command's own part", "ms"),
        ),
        repeat=7,
        quick=2,
    ),
)
