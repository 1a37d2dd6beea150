"""The containers' records: the database's rows and, for speed, the same in memory. Names are unique; ids are looked up
by unique prefix.

`put` is how a container changes: the new record and the events that tell of it are one transaction.
"""

from __future__ import annotations

import logging
import threading
from bisect import bisect_left, insort
from typing import TYPE_CHECKING

import msgspec

from estiba.engine.state import Container
from estiba.errors import Conflict, InvalidArgument, NotFound, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from estiba.engine.events import Event, EventJournal
    from estiba.store.database import Database

log = logging.getLogger("estiba.records")

# with row ids: a record of usual length then lies on one page, and a change writes that page alone
SCHEMA = """
CREATE TABLE IF NOT EXISTS containers (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    record BLOB NOT NULL
);
"""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Container).decode


class ContainerRecords:
    """All containers of one root."""

    def __init__(self, database: Database, journal: EventJournal) -> None:
        self._database = database
        self._journal = journal
        database.create(SCHEMA)
        self._guard = threading.Lock()
        self._by_id: dict[str, Container] = {}
        self._by_name: dict[str, str] = {}
        self._ids: list[str] = []
        self._locks: dict[str, threading.RLock] = {}
        with database.read() as connection:
            for (record,) in connection.execute("SELECT record FROM containers").fetchall():
                self._remember(_decode(record))

    def _remember(self, container: Container) -> None:
        with self._guard:
            old = self._by_id.get(container.id)
            if old is None:
                insort(self._ids, container.id)
            elif old.name != container.name:
                self._by_name.pop(old.name, None)
            self._by_id[container.id] = container
            self._by_name[container.name] = container.id

    def lock(self, container_id: str) -> threading.RLock:
        """The lock that everything which changes this container holds."""
        with self._guard:
            if container_id not in self._by_id:
                return threading.RLock()  # it is gone, as whoever asks will find: nothing is kept for it
            return self._locks.setdefault(container_id, threading.RLock())

    def all(self) -> list[Container]:
        """Every container, newest first."""
        with self._guard:
            containers = list(self._by_id.values())
        containers.sort(key=lambda container: container.created, reverse=True)
        return containers

    def find(self, reference: str) -> Container | None:
        """By full id, then name (with or without its slash), then unique id prefix; None when there is none.

        Raises InvalidArgument when a prefix fits several.
        """
        with self._guard:
            if (container := self._by_id.get(reference)) is not None:
                return container
            # while a container is being made only its name is taken
            if (container := self._by_id.get(self._by_name.get(reference.removeprefix("/"), ""))) is not None:
                return container
            index = bisect_left(self._ids, reference)
            matches = [known for known in self._ids[index : index + 2] if reference and known.startswith(reference)]
            if len(matches) > 1:
                raise InvalidArgument(f"multiple IDs found with provided prefix: {reference}")
            return self._by_id[matches[0]] if matches else None

    def get(self, reference: str) -> Container:
        """As `find`; raises NotFound."""
        container = self.find(reference)
        if container is None:
            raise NotFound(f"No such container: {reference}")
        return container

    def current(self, container_id: str) -> Container:
        """By full id; raises NotFound when it has been removed meanwhile."""
        with self._guard:
            container = self._by_id.get(container_id)
        if container is None:
            raise NotFound(f"No such container: {container_id}")
        return container

    def name_taken(self, name: str) -> str | None:
        """The id of the container that has this name."""
        with self._guard:
            return self._by_name.get(name)

    def add(self, container: Container, events: Iterable[Event] = ()) -> None:
        """A new container; raises Conflict when its name is taken."""
        with self._guard:
            owner = self._by_name.setdefault(container.name, container.id)
        if owner != container.id:
            raise Conflict(name_conflict(container.name, owner))
        try:
            self._write(
                "INSERT INTO containers (name, record, id) VALUES (?, ?, ?)",
                (container.name, _encode(container), container.id),
                events,
            )
        except BaseException:
            with self._guard:
                self._by_name.pop(container.name, None)
            raise
        self._remember(container)

    def put(self, container: Container, events: Iterable[Event] = ()) -> None:
        """A container as it is from now on."""
        self._write(
            "UPDATE containers SET record = ? WHERE id = ?",  # a name that is set would be written to its index again
            (_encode(container), container.id),
            events,
            before_telling=lambda: self._remember(container),
        )

    def rename(self, container: Container, name: str, events: Iterable[Event]) -> Container:
        """Give another name; raises Conflict when it is taken."""
        with self._guard:
            owner = self._by_name.setdefault(name, container.id)
        if owner != container.id:
            raise Conflict(f"Error when allocating new name: {name_conflict(name, owner)}")
        renamed = msgspec.structs.replace(container, name=name)
        try:
            self._write(
                "UPDATE containers SET name = ?, record = ? WHERE id = ?",
                (name, _encode(renamed), container.id),
                events,
                before_telling=lambda: self._remember(renamed),
            )
        except BaseException:
            with self._guard:
                self._by_name.pop(name, None)
            raise
        return renamed

    def remove(self, container: Container, events: Iterable[Event] = ()) -> None:
        """Forget a container."""
        self._write(
            "DELETE FROM containers WHERE id = ?",
            (container.id,),
            events,
            before_telling=lambda: self._forget(container),
        )

    def tell(self, *events: Event) -> None:
        """Events that change no record; what they tell of has happened, even if a full disk takes none."""
        try:
            self._journal.publish(*events)
        except Unavailable as error:
            log.warning("an event is lost: %s", error)

    def _forget(self, container: Container) -> None:
        with self._guard:
            self._by_id.pop(container.id, None)
            self._locks.pop(container.id, None)
            if self._by_name.get(container.name) == container.id:
                del self._by_name[container.name]
            index = bisect_left(self._ids, container.id)
            if index < len(self._ids) and self._ids[index] == container.id:
                del self._ids[index]

    def _write(
        self,
        statement: str,
        values: tuple[object, ...],
        events: Iterable[Event],
        before_telling: Callable[[], None] | None = None,
    ) -> None:
        with self._journal.lock:
            with self._database.write() as connection:
                connection.execute(statement, values)
                recorded = self._journal.record(connection, events)
            if before_telling is not None:
                before_telling()
            self._journal.tell(recorded)


def name_conflict(name: str, owner: str) -> str:
    """Docker's words for a name that is taken."""
    return (
        f'Conflict. The container name "/{name}" is already in use by container "{owner}".'
        " You have to remove (or rename) that container to be able to reuse that name."
    )
