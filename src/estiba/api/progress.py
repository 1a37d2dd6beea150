"""Progress streams: JSON lines about work that a worker thread does, while it does it."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

from estiba.api import wire
from estiba.errors import EstibaError, SystemFailure

if TYPE_CHECKING:
    from collections.abc import Callable

    from estiba.api.http import Exchange
    from estiba.api.server import Api
    from estiba.images.progress import Progress, Report

T = TypeVar("T")

BAR = 50
# a client that does not read loses numbers, but no other line
MOST_UNREAD = 1000
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def human_size(size: float) -> str:
    """Bytes in decimal units, four digits: 1.5MB."""
    unit = 0
    while size >= 1000 and unit < len(_UNITS) - 1:
        size /= 1000
        unit += 1
    return f"{size:.4g}{_UNITS[unit]}"


def _bar(current: int, total: int) -> str:
    if total <= 0:
        return f"{human_size(current):>8}"
    done = min(current * 100 // total // 2, BAR)
    return f"[{'=' * done}>{' ' * (BAR - done)}] {human_size(current):>8}/{human_size(total)}"


def show_progress(progress: Progress) -> dict[str, Any]:
    """A line, keys in Docker's order."""
    shown: dict[str, Any] = {}
    if progress.stream:
        shown["stream"] = progress.stream
    if progress.status:
        shown["status"] = progress.status
    if progress.current is not None or progress.total is not None:
        current, total = progress.current or 0, progress.total or 0
        numbers = {"current": current, "total": total} if total else {"current": current}
        shown |= {"progressDetail": numbers, "progress": _bar(current, total)}
    elif (progress.id and progress.status) or progress.aux is not None:
        shown["progressDetail"] = {}
    if progress.id:
        shown["id"] = progress.id
    if progress.aux is not None:
        shown["aux"] = progress.aux
    return shown


def error_line(message: str) -> bytes:
    """The last line of a stream whose work failed."""
    return wire.encode_line({"errorDetail": {"message": message}, "error": message})


class _Lines:
    """Lines on their way from the worker to the client."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lines: deque[bytes] = deque()
        self.arrived = asyncio.Event()

    def report(self, progress: Progress) -> None:
        """Called by the worker."""
        if len(self._lines) < MOST_UNREAD or progress.current is None:
            self._lines.append(wire.encode_line(show_progress(progress)))
            self._loop.call_soon_threadsafe(self.arrived.set)

    async def write(self, exchange: Exchange) -> None:
        """Send what has come. The head goes with the first line, so that an early failure can have a status."""
        self.arrived.clear()
        while self._lines:
            if not exchange.started:
                await exchange.begin()
            await exchange.write(self._lines.popleft())


async def with_progress(
    api: Api, exchange: Exchange, work: Callable[[Report], T], *, always_begin: bool = False
) -> T | None:
    """Do `work` on a worker thread and send what it reports; returns what it returned, for the lines that follow.

    The caller ends the reply. None: the work failed and the reply has the error as its last line.

    Args:
        always_begin: also an early failure is a line; otherwise it is raised.
    """
    lines = _Lines()
    task = asyncio.ensure_future(api.transfer(work, lines.report))
    task.add_done_callback(lambda _: lines.arrived.set())
    try:
        while not task.done():
            await lines.arrived.wait()
            await lines.write(exchange)
        await lines.write(exchange)
    except EstibaError:
        # the client went away: the work has its cancel token, and its own end
        await asyncio.wait({task})
        task.exception()
        raise
    try:
        return task.result()
    except (EstibaError, OSError) as error:
        if not exchange.started and not always_begin:
            raise
        if not exchange.started:
            await exchange.begin()
        failure = error if isinstance(error, EstibaError) else SystemFailure(str(error))
        await exchange.write(error_line(failure.message))
        await exchange.end()
        return None
