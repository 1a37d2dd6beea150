"""Lists and inspection with many containers there: 1,000 that ended and 200 that run."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench.figures import Target
from bench.row import Row, timed
from bench.rows.lives import config

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.engines import Engine
    from bench.row import Sampler, Setting

CLIENTS = 8


@contextmanager
def many(engine: Engine, setting: Setting) -> Iterator[Sampler]:
    """The raw API; the list with all, as `docker ps -a` asks for it."""
    stopped, alive = setting.size(1000, 60), setting.size(200, 20)
    commands = [("true",)] * stopped + [("sleep", "1000000")] * alive
    with ThreadPoolExecutor(CLIENTS) as pool, engine.api() as api:
        made = list(pool.map(lambda command: _start(engine, *command), commands))
        try:

            def sample() -> dict[str, float]:
                times: dict[str, float] = {}
                with timed(times, "list"):
                    reply = api.call("GET", "/containers/json?all=1")
                with timed(times, "running"):
                    api.call("GET", "/containers/json")
                with timed(times, "inspect"):
                    api.call("GET", f"/containers/{made[-1]}/json")
                if reply.count(b'"Id":"') < len(made):
                    raise RuntimeError("the list lacks containers")
                return times

            yield sample
        finally:
            list(pool.map(lambda container: _remove(engine, container), made))


def _start(engine: Engine, *command: str) -> str:
    with engine.api() as api:
        container = str(api.json("POST", "/containers/create", config(*command))["Id"])
        api.call("POST", f"/containers/{container}/start")
        if command == ("true",):
            api.call("POST", f"/containers/{container}/wait")
        return container


def _remove(engine: Engine, container: str) -> None:
    with engine.api() as api:
        api.call("DELETE", f"/containers/{container}?force=1")


ROWS = (
    Row(
        "list",
        many,
        (
            Target("list", "list of 1,000 stopped and 200 running", "ms", None, 1),
            Target("running", "  list of the 200 running", "ms", None, 1),
            Target("inspect", "inspect of one", "ms", 0.6),
        ),
        repeat=40,
        quick=10,
        warm=2,
    ),
)
