"""Docker's API of an engine in this process, served by a thread of its own."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from estiba.api.server import Api
from estiba.errors import SystemFailure

if TYPE_CHECKING:
    from estiba.engine.engine import Engine


class Server:
    """Serves from construction to close()."""

    def __init__(self, engine: Engine, path: str | None) -> None:
        self.path = path or str(engine.places.run_dir / "estiba.sock")
        self._listener = _listen(Path(self.path))
        engine.lock.describe(kind="library", socket=self.path)
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._run, args=(engine,), name="estiba-api")
        self._thread.start()

    def _run(self, engine: Engine) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve(engine))

    async def _serve(self, engine: Engine) -> None:
        api = Api(engine)
        loop = asyncio.get_running_loop()
        listening = await loop.create_unix_server(api.connection, sock=self._listener, backlog=1024)
        try:
            await self._ended.wait()
        finally:
            listening.close()
            await api.close()

    def close(self) -> None:
        """End; the socket's file goes. Idempotent."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ended.set)
            self._thread.join()
        Path(self.path).unlink(missing_ok=True)


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)  # left over: the root's lock is ours
        previous = os.umask(0o117)
        try:
            listener.bind(str(path))
        finally:
            os.umask(previous)
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise SystemFailure(f"cannot serve at {path}: {error.strerror}") from error
    return listener
