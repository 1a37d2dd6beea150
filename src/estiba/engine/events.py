"""The journal of what happened: rows written in the transaction of the change, then told to subscribers in order.

A subscriber that asks for history gets it first and then what follows, without gap or duplicate. The journal is trimmed
by count; times are when it happened.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable

    from estiba.store.database import Database

log = logging.getLogger("estiba.events")

# the newest row is never trimmed, so numbers grow without AUTOINCREMENT, which writes another page each time
SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    sequence INTEGER PRIMARY KEY,
    time INTEGER NOT NULL,
    type TEXT NOT NULL,
    action TEXT NOT NULL,
    id TEXT NOT NULL,
    attributes BLOB NOT NULL
);
"""
KEPT = 4096
KEPT_BYTES = 64 << 20
TRIM_EVERY = 512


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something happened to an object: Docker's type, action and attributes. time in ns since the epoch."""

    type: str
    action: str
    id: str
    attributes: dict[str, str] = {}
    time: int = 0
    sequence: int = 0


class Subscription:
    """Receives events until `close()`."""

    def __init__(self, journal: EventJournal, callback: Callable[[Event], None]) -> None:
        self._journal = journal
        self._callback = callback

    def deliver(self, event: Event) -> None:
        """Hand one event over; a callback that fails is not called again."""
        try:
            self._callback(event)
        except Exception:
            log.exception("an event subscriber failed")
            self.close()

    def close(self) -> None:
        """Receive no more. Idempotent."""
        self._journal.drop(self)


class EventJournal:
    """The journal of one engine."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.create(SCHEMA)
        self._lock = threading.RLock()
        self._subscriptions: list[Subscription] = []

    def publish(self, *events: Event) -> None:
        """Record and tell, in a transaction of their own."""
        with self._lock:
            with self._database.write() as connection:
                recorded = self.record(connection, events)
            self.tell(recorded)

    def record(self, connection: sqlite3.Connection, events: Iterable[Event]) -> list[Event]:
        """Write rows in the caller's transaction; `tell` what it returns after the commit."""
        recorded = []
        for event in events:
            stamp = event.time or time.time_ns()
            attributes = msgspec.json.encode(event.attributes)
            row = (stamp, event.type, event.action, event.id, attributes)
            cursor = connection.execute(
                "INSERT INTO events (time, type, action, id, attributes) VALUES (?, ?, ?, ?, ?)", row
            )
            sequence = cursor.lastrowid or 0
            recorded.append(msgspec.structs.replace(event, time=stamp, sequence=sequence))
            kept = min(KEPT, KEPT_BYTES // len(attributes))  # an image's labels, in every event, may have megabytes
            if sequence % TRIM_EVERY == 0 or kept < KEPT:
                connection.execute("DELETE FROM events WHERE sequence <= ?", (sequence - kept,))
        return recorded

    def tell(self, recorded: Iterable[Event]) -> None:
        """Hand recorded events to the subscribers."""
        with self._lock:
            for event in recorded:
                for subscription in list(self._subscriptions):
                    subscription.deliver(event)

    @property
    def lock(self) -> threading.RLock:
        """Held from before a transaction with events until they are told, so that order is the same everywhere."""
        return self._lock

    def subscribe(
        self, callback: Callable[[Event], None], *, since: int | None = None, until: int | None = None
    ) -> Subscription:
        """Call back for each event from `since` (ns, None: from now on) on; history is delivered before this returns.

        `until` bounds the history only: the caller closes the subscription at its time.
        """
        subscription = Subscription(self, callback)
        with self._lock:
            if since is not None:
                for event in self.history(since, until):
                    subscription.deliver(event)
            self._subscriptions.append(subscription)
        return subscription

    def history(self, since: int, until: int | None = None) -> list[Event]:
        """What is still recorded of a period."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT time, type, action, id, attributes, sequence FROM events"
                " WHERE time >= ? AND time <= ? ORDER BY sequence",
                (since, until if until is not None else (1 << 63) - 1),
            ).fetchall()
        return [
            Event(
                time=row[0],
                type=row[1],
                action=row[2],
                id=row[3],
                attributes=msgspec.json.decode(row[4], type=dict[str, str]),
                sequence=row[5],
            )
            for row in rows
        ]

    def drop(self, subscription: Subscription) -> None:
        """Forget a subscription."""
        with self._lock:
            if subscription in self._subscriptions:
                self._subscriptions.remove(subscription)


@dataclass(frozen=True)
class Pruned:
    """What a prune removed: ids or names, and the bytes that became free."""

    removed: tuple[str, ...]
    reclaimed: int


def prune_event(kind: str, reclaimed: int) -> Event:
    """The event that ends a prune; reclaimed in bytes."""
    return Event(type=kind, action="prune", id="", attributes={"reclaimed": str(reclaimed)})
