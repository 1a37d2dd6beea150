"""Volumes as users see them: the store's, with events and with the containers that use them."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from estiba.engine.events import Event, EventJournal, Pruned, prune_event
from estiba.engine.filters import check_keys
from estiba.engine.state import Removing
from estiba.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from estiba.engine.filters import Filters
    from estiba.engine.records import ContainerRecords
    from estiba.volumes.local import VolumeStore
    from estiba.volumes.volume import Volume

LIST_KEYS = frozenset({"dangling", "driver", "label", "name"})
PRUNE_KEYS = frozenset({"all", "label", "label!"})


class Volumes:
    """The volumes of one engine."""

    def __init__(self, *, store: VolumeStore, records: ContainerRecords, journal: EventJournal) -> None:
        self.store = store
        self._records = records
        self._journal = journal
        self._claims: dict[str, set[str]] = {}
        self.get = store.get
        self.size = store.usage

    def create(
        self,
        name: str = "",
        *,
        driver: str = "",
        options: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Volume:
        """Make a volume, or return the one that has this name. Raises InvalidArgument, NotFound (another driver)."""
        existing = self.store.find(name) if name else None
        volume = self.store.create(name, driver=driver, options=options, labels=labels)
        if existing is None:
            self._tell("create", volume.name)
        return volume

    def claim(
        self, container_id: str, name: str, *, driver: str = "", labels: Mapping[str, str] | None = None
    ) -> tuple[Volume, bool]:
        """As `create`, for a container that is being made: it counts as a user until `unclaim`. Also: was it made?"""
        with self.store.guard:
            made = not name or self.store.find(name) is None
            volume = self.create(name, driver=driver, labels=labels)
            self._claims.setdefault(container_id, set()).add(volume.name)
        return volume, made

    def unclaim(self, container_id: str) -> None:
        """The container has a record now, or never will."""
        with self.store.guard:
            self._claims.pop(container_id, None)

    def discard(self, name: str, container_id: str) -> None:
        """Remove a volume that was made for a container which then could not be made, unless others use it by now."""
        with suppress(Conflict):
            self.store.remove(name, force=True, in_use=lambda _: self._users_but(name, container_id))

    def list(self, filters: Filters) -> list[Volume]:
        """By name. Raises InvalidArgument for a filter that there is not."""
        check_keys(filters, LIST_KEYS)
        return self.store.list(filters, in_use=self.in_use)

    def remove(self, name: str, *, force: bool = False) -> None:
        """Remove a volume and its data. Raises NotFound (without force), Conflict when a container has it."""
        if self.store.remove(name, force=force, in_use=self.in_use):
            self._tell("destroy", name)

    def prune(self, filters: Filters) -> Pruned:
        """Remove the anonymous volumes that no container has; with the filter `all` the named ones too."""
        check_keys(filters, PRUNE_KEYS)
        names, reclaimed = self.store.prune(filters, in_use=self.in_use)
        for name in names:
            self._tell("destroy", name)
        self._journal.publish(prune_event("volume", reclaimed))
        return Pruned(tuple(names), reclaimed)

    def in_use(self, name: str) -> Sequence[str]:
        """The ids of the containers that have the volume, or will; one whose removal takes volumes along has none."""
        return self._users_but(name)

    def _users_but(self, name: str, container_id: str = "") -> Sequence[str]:
        with self.store.guard:
            claiming = [user for user, names in self._claims.items() if name in names]
        recorded = (
            container.id
            for container in self._records.all()
            if not isinstance(container.state, Removing)
            and any(mount.type == "volume" and mount.name == name for mount in container.mounts)
        )
        return [user for user in dict.fromkeys((*recorded, *claiming)) if user != container_id]

    def users(self, name: str) -> int:
        """How many containers have the volume."""
        return len(self.in_use(name))

    def _tell(self, action: str, name: str) -> None:
        self._journal.publish(Event(type="volume", action=action, id=name, attributes={"driver": "local"}))
