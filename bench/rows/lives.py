"""One container after another through the raw API: whole lives, and `true` executed in a running one."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bench.api import Api, request
from bench.figures import Target
from bench.images import SMALL
from bench.row import Row, timed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.engines import Engine
    from bench.row import Sampler, Setting

CLIENTS = 16


def config(*command: str, **host: Any) -> dict[str, Any]:
    """The body of a create: the small image, no network."""
    return {"Image": SMALL, "Cmd": list(command), "HostConfig": {"NetworkMode": "none", **host}}


@contextmanager
def running(api: Api, *command: str) -> Iterator[str]:
    """A running container's id."""
    container = api.json("POST", "/containers/create", config(*command))["Id"]
    try:
        api.call("POST", f"/containers/{container}/start")
        yield container
    finally:
        api.call("DELETE", f"/containers/{container}?force=1&v=1")


def live(api: Api) -> dict[str, float]:
    """One life of `true`: milliseconds of each call, and of all."""
    sample: dict[str, float] = {}
    with timed(sample, "life"):
        with timed(sample, "create"):
            container = api.json("POST", "/containers/create", config("true"))["Id"]
        with timed(sample, "start"):
            api.call("POST", f"/containers/{container}/start")
        with timed(sample, "wait"):
            code = api.json("POST", f"/containers/{container}/wait")["StatusCode"]
        with timed(sample, "remove"):
            api.call("DELETE", f"/containers/{container}")
    if code:
        raise RuntimeError(f"true ended with {code}")
    return sample


@contextmanager
def life(engine: Engine, _: Setting) -> Iterator[Sampler]:
    """create, start, wait, remove on one connection."""
    with engine.api() as api:
        yield lambda: live(api)


@contextmanager
def execution(engine: Engine, _: Setting) -> Iterator[Sampler]:
    """exec create, start (attached, to the end of its output), inspect for the exit code."""
    with engine.api() as api, running(api, "sleep", "1000000") as container:

        def sample() -> dict[str, float]:
            times: dict[str, float] = {}
            with timed(times, "exec"):
                body = {"Cmd": ["true"], "AttachStdout": True, "AttachStderr": True}
                created = api.json("POST", f"/containers/{container}/exec", body)["Id"]
                _attached(engine.socket, created)
                state = api.json("GET", f"/exec/{created}/json")
            if state["ExitCode"] != 0:
                raise RuntimeError(f"exec ended with {state['ExitCode']}")
            return times

        yield sample


def _attached(path: str, execution: str) -> None:
    data = request("POST", f"/exec/{execution}/start", {"Detach": False, "Tty": False})
    upgrade = b" HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.sendall(data.replace(b" HTTP/1.1\r\n", upgrade, 1))
        while client.recv(65536):
            pass


def lives(engine: Engine, count: int, clients: int) -> float:
    """Containers per second when that many clients share `count` lives. Raises what a client met."""
    errors: list[BaseException] = []
    left = iter(range(count))
    lock = threading.Lock()

    def client() -> None:
        try:
            with engine.api() as api:
                while True:
                    with lock:
                        if next(left, None) is None:
                            return
                    live(api)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return count / (time.perf_counter() - began)


@contextmanager
def crowd(engine: Engine, setting: Setting) -> Iterator[Sampler]:
    """16 clients at once."""
    yield lambda: {"rate": lives(engine, setting.size(200, 48), CLIENTS)}


_LIFE = tuple(Target(name, f"  {name}", "ms", limit) for name, limit in (("create", 1), ("start", 4), ("wait", 1)))
ROWS = (
    Row(
        "life",
        life,
        (
            Target("life", "create+start+wait+remove by API, no network", "ms", 9, 0.09, both=True),
            *_LIFE,
            Target("remove", "  remove", "ms", 0.7),
        ),
        repeat=100,
        quick=10,
        warm=3,
    ),
    Row("exec", execution, (Target("exec", "exec of true by API", "ms", 5, 5 / 44),), repeat=60, quick=8, warm=2),
    Row(
        "crowd",
        crowd,
        (Target("rate", "16 clients, 200 containers, no network", "/s", None, 8, more=True),),
        repeat=5,
        quick=1,
        warm=0,
    ),
)
