"""`estiba serve`: one engine, its sockets, until a signal asks it to end. Containers run on without it."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import resource
import signal
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from estiba.api.server import Api
from estiba.daemon.settings import parse
from estiba.daemon.sockets import listening, socket_path
from estiba.engine.engine import DEFAULT_ROOT, DEFAULT_SOCKET, Engine
from estiba.errors import EstibaError

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence
    from pathlib import Path

    from estiba.daemon.settings import Settings

log = logging.getLogger("estiba.daemon")

READY = b"ready\n"


def main(argv: Sequence[str]) -> int:
    """Run the engine; returns the exit status. argv is what follows `serve`."""
    try:
        settings, ready = parse(argv)
        if ready >= 0:
            os.set_inheritable(ready, False)
        logging.basicConfig(
            level=settings.log_level.upper(),
            format="%(asctime)s %(levelname)s %(name)s: %(message)s",
            stream=sys.stderr,
        )
        _prepare_process()
        with ExitStack() as stack:
            _serve_engine(settings, ready, stack)
    except EstibaError as error:
        print(f"estiba serve: {error.message}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"estiba serve: cannot start: {error}", file=sys.stderr)
        return 1
    return 0


def _prepare_process() -> None:
    os.umask(0o022)
    # each client and each container holds a few descriptors
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _paths(settings: Settings) -> list[Path]:
    return [socket_path(host) for host in settings.hosts]


def _serve_engine(settings: Settings, ready: int, stack: ExitStack) -> None:
    paths = _paths(settings)
    engine = stack.enter_context(Engine(settings.root, settings.run_dir, kind="engine"))
    if not paths:
        default = engine.places.root == DEFAULT_ROOT
        paths = [DEFAULT_SOCKET if default else engine.places.run_dir / "estiba.sock"]
    # the root is ours: a socket left over by an earlier engine may be replaced
    listeners = [stack.enter_context(listening(path, settings.group)) for path in paths]
    engine.lock.describe(kind="engine", socket=str(paths[0]))
    log.info("serving %s on %s", engine.places.root, ", ".join(map(str, paths)))
    asyncio.run(_serve(engine, listeners, ready))
    log.info("stopped; containers run on")


async def _serve(engine: Engine, listeners: Sequence[socket.socket], ready: int) -> None:
    """Serve until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    api = Api(engine)
    servers = [await loop.create_unix_server(api.connection, sock=listener, backlog=1024) for listener in listeners]
    try:
        _report_ready(ready)
        # what exists now stays: the collector need not look at it again
        gc.collect()
        gc.freeze()
        await ended.wait()
    finally:
        for server in servers:
            server.close()
        await api.close()


def _report_ready(descriptor: int) -> None:
    if descriptor >= 0:
        os.write(descriptor, READY)
        os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
