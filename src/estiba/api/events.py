"""/events: what happened and what happens, a line each."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from estiba.api import wire
from estiba.api.event_filter import wants
from estiba.api.wire_objects import show_event
from estiba.api.wire_times import NANOSECONDS
from estiba.errors import Cancelled, InvalidArgument

if TYPE_CHECKING:
    from estiba.api.http import Exchange
    from estiba.api.server import Api
    from estiba.engine.events import Event

# a client that is that far behind is cut off
MOST_UNREAD = 65_536


class _Mailbox:
    """Events on their way from the engine's threads to a client."""

    def __init__(self, until: int | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._until = until
        self._events: list[Event] = []
        self._arrived = asyncio.Event()
        self.overflowed = False

    def put(self, event: Event) -> None:
        """Called by the engine, on any thread."""
        if self._until is None or event.time <= self._until:
            self._loop.call_soon_threadsafe(self._add, event)

    def _add(self, event: Event) -> None:
        self.overflowed = len(self._events) >= MOST_UNREAD
        if not self.overflowed:
            self._events.append(event)
        self._arrived.set()

    def stop(self, _gone: object) -> None:
        """Wake the reader for the last time."""
        self._arrived.set()

    async def wait(self) -> None:
        """Until something has arrived."""
        await self._arrived.wait()
        self._arrived.clear()

    def take(self) -> list[Event]:
        """What has arrived and was not taken."""
        taken, self._events = self._events, []
        return taken


async def stream(api: Api, exchange: Exchange) -> None:
    """GET /events"""
    query = exchange.request.query
    since, until = query.moment("since"), query.moment("until")
    if since is not None and until is not None and until < since:
        raise InvalidArgument(
            f"`since` time ({query.text('since')}) cannot be after `until` time ({query.text('until')})"
        )
    filters = query.filters()
    if until is not None and until <= time.time_ns():
        await exchange.begin()
        past = await api.run(api.engine.events.history, since or 0, until)
        await _write(exchange, past, filters)
        await exchange.end()
        return
    mailbox = _Mailbox(until)
    subscription = await api.run(
        api.engine.events.subscribe, mailbox.put, since=_history_from(since, until), until=until
    )
    api.event_listeners += 1
    try:
        await exchange.begin()
        seconds = None if until is None else (until - time.time_ns()) / NANOSECONDS
        await _copy(exchange, mailbox, filters, seconds)
        await exchange.end()
    finally:
        api.event_listeners -= 1
        await asyncio.shield(api.run(subscription.close))


def _history_from(since: int | None, until: int | None) -> int | None:
    """From when on history is shown: all of it, as in Docker, where only an end is named."""
    return 0 if since is None and until is not None else since


async def _copy(exchange: Exchange, mailbox: _Mailbox, filters: dict[str, list[str]], seconds: float | None) -> None:
    """Write what arrives until the time is up or the client hangs up. Raises Cancelled when it does not read."""
    exchange.gone.add_done_callback(mailbox.stop)
    try:
        async with asyncio.timeout(seconds):
            while not exchange.gone.done():
                await mailbox.wait()
                if mailbox.overflowed:
                    raise Cancelled("the client does not read its events")
                await _write(exchange, mailbox.take(), filters)
    except TimeoutError:
        await _write(exchange, mailbox.take(), filters)
    finally:
        exchange.gone.remove_done_callback(mailbox.stop)


async def _write(exchange: Exchange, events: list[Event], filters: dict[str, list[str]]) -> None:
    for event in events:
        if wants(event, filters):
            await exchange.write(wire.encode(show_event(event)))
