"""The three networks that always exist. `bridge`, the default, is a loopback of one's own until bridges are built."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from estiba.errors import InvalidArgument, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable

    from estiba.store.database import Database

SCHEMA = """
CREATE TABLE IF NOT EXISTS networks (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    driver TEXT NOT NULL,
    created INTEGER NOT NULL
) WITHOUT ROWID;
"""
FIXED = (("bridge", "bridge"), ("host", "host"), ("none", "null"))
FILTERS = frozenset({"dangling", "driver", "id", "label", "name", "scope", "type"})


@dataclass(frozen=True)
class Network:
    """A network's record; created in ns since the epoch."""

    id: str
    name: str
    driver: str
    created: int


class Networks:
    """The networks of one root."""

    def __init__(self, database: Database) -> None:
        database.create(SCHEMA)
        with database.write() as connection:
            for name, driver in FIXED:
                connection.execute(
                    "INSERT OR IGNORE INTO networks (id, name, driver, created) VALUES (?, ?, ?, ?)",
                    (secrets.token_hex(32), name, driver, time.time_ns()),
                )
        with database.read() as connection:
            rows = connection.execute("SELECT id, name, driver, created FROM networks ORDER BY created").fetchall()
        self._networks = {row[1]: Network(*row) for row in rows}

    def find(self, reference: str) -> Network | None:
        """By name, id or unique id prefix; None when there is none. Raises InvalidArgument when several fit."""
        if (network := self._networks.get(reference)) is not None:
            return network
        matches = [network for network in self._networks.values() if reference and network.id.startswith(reference)]
        if len(matches) > 1:
            raise InvalidArgument(f"network {reference} is ambiguous ({len(matches)} matches found based on id prefix)")
        return matches[0] if matches else None

    def get(self, reference: str) -> Network:
        """As `find`; raises NotFound."""
        network = self.find(reference)
        if network is None:
            raise NotFound(f"network {reference} not found")
        return network

    def list(self, filters: dict[str, list[str]]) -> list[Network]:
        """Those that pass all filters; raises InvalidArgument for an unknown filter."""
        for key in filters:
            if key not in FILTERS:
                raise InvalidArgument(f"invalid filter '{key}'")
        return [network for network in self._networks.values() if _passes(network, filters)]


def _passes(network: Network, filters: dict[str, list[str]]) -> bool:
    tests: dict[str, Callable[[str], bool]] = {
        "driver": lambda value: network.driver == value,
        "id": network.id.startswith,
        "name": lambda value: value in network.name,
        "scope": lambda value: value == "local",
        "type": lambda value: value == "builtin",
        "label": lambda _: False,
        "dangling": lambda value: value in ("false", "0"),
    }
    return all(not values or any(tests[key](value) for value in values) for key, values in filters.items())
