"""The API's edge: finds the handler, lends it worker threads, turns what it raises into Docker's replies."""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, ParamSpec, TypeVar
from urllib.parse import quote

from estiba.api import wire
from estiba.api.http import API_VERSION, OLDEST_API_VERSION, Connection, Exchange, Reply, Taken
from estiba.api.router import Router, clean, split_version
from estiba.api.routes import ROUTES
from estiba.errors import Cancelled, EstibaError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    from estiba.engine.engine import Engine

log = logging.getLogger("estiba.api")

P = ParamSpec("P")
T = TypeVar("T")

# threads exist only while they are needed
SHORT_THREADS = 16
WORK_THREADS = 32
STREAM_THREADS = 16
# a stalled client holds one, and so may keep others' transfers waiting, but nothing else
TRANSFER_THREADS = 64

_NEWEST = tuple(int(part) for part in API_VERSION.split("."))
_OLDEST = tuple(int(part) for part in OLDEST_API_VERSION.split("."))


def error_reply(status: int, message: str) -> Reply:
    """Docker's form of an error."""
    return Reply(status, wire.encode({"message": message}))


def version_numbers(text: str) -> tuple[int, ...]:
    """ "1.51" as numbers that compare as versions do."""
    return tuple(int(part or 0) for part in text.split("."))


class Api:
    """The Docker API of one engine.

    Attributes:
        engine: what the handlers call.
        event_listeners: connections that wait for events.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.event_listeners = 0
        self._router = Router(ROUTES)
        self._short = ThreadPoolExecutor(SHORT_THREADS, "estiba-api")
        self._work = ThreadPoolExecutor(WORK_THREADS, "estiba-work")
        self._streams = ThreadPoolExecutor(STREAM_THREADS, "estiba-stream")
        self._transfers = ThreadPoolExecutor(TRANSFER_THREADS, "estiba-transfer")
        self._tasks: set[asyncio.Task[None]] = set()
        self._connections: set[Connection] = set()
        self._attaching: set[asyncio.Future[None]] = set()

    # ---- for handlers ----

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """A short engine call on a worker thread."""
        call = functools.partial(function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._short, call)

    async def work(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """A call that takes as long as it takes, but waits for no client."""
        call = functools.partial(function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._work, call)

    async def transfer(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """A call that moves a client's bytes, as fast as the client does."""
        call = functools.partial(function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._transfers, call)

    @contextmanager
    def attaching(self) -> Iterator[None]:
        """While a client has its head but its attachment is not registered yet."""
        registered = asyncio.get_running_loop().create_future()
        self._attaching.add(registered)
        try:
            yield
        finally:
            self._attaching.discard(registered)
            registered.set_result(None)

    async def attachments_registered(self) -> None:
        """Clients start a container once they see the head of their attach: a start may not overtake it."""
        if self._attaching:
            await asyncio.wait(self._attaching)

    async def give(self, taken: Taken, function: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Call what the taken connection is given to; when it refuses, hang up: the head has been sent."""

        def call() -> None:
            # here and not in the loop: a cancelled handler does not know who owns the descriptor
            try:
                function(*args, **kwargs)
            except EstibaError as error:
                log.info("a stream was not begun: %s", error)
                taken.close()
            except BaseException:
                taken.close()
                raise

        # of its own: starts wait for attachments to be registered, and so must not wait for stalled transfers
        await asyncio.get_running_loop().run_in_executor(self._streams, call)

    @staticmethod
    @contextmanager
    def cancel_token(exchange: Exchange) -> Iterator[threading.Event]:
        """An event that is set when the client hangs up."""
        token = threading.Event()

        def cancel(_: object) -> None:
            token.set()

        exchange.gone.add_done_callback(cancel)
        try:
            yield token
        finally:
            exchange.gone.remove_done_callback(cancel)

    # ---- connections ----

    def connection(self) -> Connection:
        """A protocol for a new client, served by a task of this object."""
        return Connection(self.answer, self._start)

    def _start(self, connection: Connection) -> None:
        task = asyncio.get_running_loop().create_task(connection.serve())
        self._tasks.add(task)
        self._connections.add(connection)

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            self._connections.discard(connection)
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("a connection failed", exc_info=error)

        task.add_done_callback(ended)

    async def close(self) -> None:
        """Hang up on everybody, wait for the handlers and the worker threads."""
        for connection in list(self._connections):
            connection.abort()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for pool in (self._short, self._work, self._streams, self._transfers):
            await asyncio.to_thread(pool.shutdown)

    # ---- requests ----

    async def answer(self, exchange: Exchange) -> None:
        """Answer one request, whatever happens."""
        try:
            reply = await self._reply(exchange)
        except EstibaError as error:
            reply = error_reply(error.status, error.message)
        except OSError as error:
            reply = error_reply(500, _os_error_text(error))
        except Exception as error:
            log.exception("%s %s failed", exchange.request.method, exchange.request.path)
            reply = error_reply(500, f"{type(error).__name__}: {error}")
        if reply is None:
            return
        if exchange.started:
            # half a reply was sent: the missing end tells the client
            exchange.cut()
            return
        try:
            await exchange.send(reply)
        except (Cancelled, ConnectionError):
            exchange.cut()

    async def _reply(self, exchange: Exchange) -> Reply | None:
        request = exchange.request
        if request.method == "OPTIONS":
            return Reply(200)
        path = clean(request.path)
        if path != request.path:
            query = f"?{request.query.raw}" if request.query.raw else ""
            return Reply(301, headers=(("Location", quote(path) + query),))
        version, path = split_version(path)
        found = self._router.find(request.method, path)
        if found is None:
            return error_reply(404, "page not found")
        handler, exchange.name = found
        exchange.version = version_numbers(version) if version else _NEWEST
        if exchange.version > _NEWEST:
            return error_reply(
                400, f"client version {version} is too new. Maximum supported API version is {API_VERSION}"
            )
        if exchange.version < _OLDEST:
            text = (
                f"client version {version} is too old. Minimum supported API version is {OLDEST_API_VERSION},"
                " please upgrade your client to a newer version\n"
            )
            nosniff = (("X-Content-Type-Options", "nosniff"),)
            return Reply(400, text.encode(), "text/plain; charset=utf-8", nosniff)
        return await handler(self, exchange)


def _os_error_text(error: OSError) -> str:
    reason = error.strerror or str(error)
    where: str | bytes | os.PathLike[str] | None = error.filename
    return f"{reason[:1].lower()}{reason[1:]}: {where!s}" if where else reason


__all__ = ["Api", "error_reply"]
