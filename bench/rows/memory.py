"""Memory: what an idle container costs beside its program, and what an engine keeps after many came and went.

An idle container's cost has two parts: the shim's PSS (the parent of the container's first process, whichever engine
made it), and what the kernel's own memory grew by (slab, stacks, page tables, per-processor data of /proc/meminfo) when
many were started, divided by their number, less the same for as many plain processes of the same program. The kernel's
part counts reclaimable caches too, and is the whole machine's: it is meaningful only where little else runs.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from bench import engines, processes
from bench.figures import ESTIBA, Target
from bench.images import import_small
from bench.row import Row
from bench.rows.lives import config, lives

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.engines import Engine
    from bench.row import Sampler, Setting

FOREVER = ("sleep", "1000000")
# freed memory comes back after a grace period of the kernel's
SETTLE_SECONDS = 1.5
KB = 1024


def programs_own(count: int) -> float:
    """Kernel memory in bytes of one plain process that sleeps."""
    before = processes.kernel_memory()
    busybox = shutil.which("busybox") or "busybox"
    with ExitStack() as stack:
        for _ in range(count):
            process = stack.enter_context(subprocess.Popen([busybox, *FOREVER]))
            stack.callback(process.kill)
        time.sleep(SETTLE_SECONDS)
        return (processes.kernel_memory() - before) / count


@contextmanager
def idle(engine: Engine, setting: Setting) -> Iterator[Sampler]:
    """Containers that sleep."""
    count = setting.size(50, 20)
    with engine.api() as api:

        def sample() -> dict[str, float]:
            own = programs_own(count)
            time.sleep(SETTLE_SECONDS)
            before, engine_before = processes.kernel_memory(), sum(map(processes.pss, engine.pids))
            made = [api.json("POST", "/containers/create", config(*FOREVER))["Id"] for _ in range(count)]
            try:
                for container in made:
                    api.call("POST", f"/containers/{container}/start")
                time.sleep(SETTLE_SECONDS)
                kernel = (processes.kernel_memory() - before) / count - own
                grown = (sum(map(processes.pss, engine.pids)) - engine_before) / count
                first = [api.json("GET", f"/containers/{container}/json")["State"]["Pid"] for container in made]
                shim = sum(processes.pss(processes.parent(pid)) for pid in first) / count
            finally:
                for container in made:
                    api.call("DELETE", f"/containers/{container}?force=1")
            total = shim + kernel
            return {"shim": shim / KB, "kernel": kernel / KB, "engine": grown / KB, "idle": total / KB}

        yield sample


@contextmanager
def after(engine: Engine, setting: Setting) -> Iterator[Sampler]:
    """The engine's RSS after lives of eight clients; Estiba's is a fresh engine, Docker's has its own past."""
    count = setting.size(1000, 100)
    with ExitStack() as stack:
        if engine.name == ESTIBA:
            engine = stack.enter_context(engines.estiba(setting.directory / "fresh", setting.memory))
            with engine.api() as api:
                import_small(api)

        def sample() -> dict[str, float]:
            begin = engine.rss()
            lives(engine, count, 8)
            time.sleep(SETTLE_SECONDS)
            return {"before": begin / 1e6, "after": engine.rss() / 1e6}

        yield sample


ROWS = (
    Row(
        "idle",
        idle,
        (
            Target("idle", "memory per idle container (PSS + kernel)", "kB", 512, 0.1),
            Target("shim", "  the shim's PSS", "kB"),
            Target("kernel", "  kernel, without the program's own", "kB"),
            Target("engine", "  growth of the engine", "kB"),
        ),
        repeat=5,
        quick=1,
        warm=0,
    ),
    Row(
        "after",
        after,
        (
            Target("after", "engine's RSS, idle, after 1,000 containers", "MB", 45, 45 / 130),
            Target("before", "  before them", "MB"),
        ),
        repeat=1,
        quick=1,
        warm=0,
    ),
)
