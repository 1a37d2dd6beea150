"""Whole commands, as a user types them: from the start of the process to its end."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench.figures import ESTIBA, Target
from bench.images import SMALL
from bench.row import Row, timed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from bench.engines import Engine
    from bench.row import Sampler, Setting


def command(
    name: str, words: Callable[[Engine], list[str]]
) -> Callable[[Engine, Setting], AbstractContextManager[Sampler]]:
    """A measure of one command."""

    @contextmanager
    def measure(engine: Engine, _: Setting) -> Iterator[Sampler]:
        line = words(engine)

        def sample() -> dict[str, float]:
            times: dict[str, float] = {}
            with timed(times, name):
                subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
            return times

        yield sample

    return measure


ROWS = (
    Row(
        "run",
        command("run", lambda engine: engine.command("run", "--rm", "--network", "none", SMALL, "true")),
        (Target("run", "docker run --rm --network none, whole command", "ms", 38, 38 / 130),),
        repeat=40,
        quick=5,
    ),
    Row(
        "ps",
        command("ps", lambda engine: engine.own_command("ps")),
        (Target("ps", "estiba ps (docker ps), whole command", "ms", 35),),
        repeat=40,
        quick=5,
    ),
    Row(
        "hello",
        command("hello", lambda engine: engine.own_command("run", "--rm", "hello")),
        (Target("hello", "estiba run --rm hello, whole command", "ms", 50),),
        repeat=40,
        quick=5,
        engines=(ESTIBA,),
    ),
)
