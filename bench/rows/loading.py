"""`docker load` of a 200 MB Debian image that the engine does not have, beside `tar x` of its layer.

What is dirty in memory is written before each measurement, so that none pays for another's data.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench.debian import DEBIAN
from bench.figures import ESTIBA, Target
from bench.images import remove
from bench.row import Row, timed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.engines import Engine
    from bench.row import Sampler, Setting


@contextmanager
def load(engine: Engine, setting: Setting) -> Iterator[Sampler]:
    """The whole command."""
    archive, layer = setting.debian
    place = setting.directory / "extracted"
    with engine.api() as api:

        def sample() -> dict[str, float]:
            times: dict[str, float] = {}
            remove(api, DEBIAN)
            if engine.name == ESTIBA:
                place.mkdir()
                os.sync()
                with timed(times, "tar"):
                    subprocess.run(["tar", "--numeric-owner", "-C", str(place), "-xpf", str(layer)], check=True)
                shutil.rmtree(place)
            os.sync()
            with timed(times, "load"):
                subprocess.run(engine.command("load", "-qi", str(archive)), check=True, stdout=subprocess.DEVNULL)
            if "tar" in times:
                times["by tar"] = times["load"] / times["tar"]
            return times

        try:
            yield sample
        finally:
            remove(api, DEBIAN)


ROWS = (
    Row(
        "load",
        load,
        (
            Target("load", "docker load of a 200 MB Debian image", "ms", 700, 0.7 / 2.7),
            Target("tar", "  tar x of the same", "ms"),
            Target("by tar", "  load / tar x", "×", 1.6),
        ),
        repeat=7,
        quick=2,
    ),
)
