"""What the engine as a whole is: identity, counts, the machine, and what its objects take on the disk."""

from __future__ import annotations

import os
import secrets
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from estiba.engine.filters import status_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from estiba.engine.images import Images
    from estiba.engine.records import ContainerRecords
    from estiba.engine.state import Container
    from estiba.engine.volumes import Volumes
    from estiba.images.store import Image
    from estiba.linux.host import Host
    from estiba.store.database import Database
    from estiba.volumes.volume import Volume

SCHEMA = "CREATE TABLE IF NOT EXISTS engine (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"


@dataclass(frozen=True)
class SystemInfo:
    """Facts for `info`. containers counts by state word; warnings are Docker's sentences, without `WARNING: `."""

    id: str
    name: str
    root: str
    run_dir: str
    host: Host
    containers: dict[str, int]
    images: int
    descriptors: int
    threads: int
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class DiskUsage:
    """What objects take; sizes in bytes. containers, volumes: (object, size); volumes with the number of users."""

    layers_size: int
    images: tuple[tuple[Image, int], ...]
    containers: tuple[tuple[Container, int, int], ...]
    volumes: tuple[tuple[Volume, int, int], ...]


class System:
    """The engine's own facts."""

    def __init__(
        self,
        *,
        database: Database,
        root: Path,
        run_dir: Path,
        host: Host,
        records: ContainerRecords,
        images: Images,
        volumes: Volumes,
        sizes: Callable[[Container], tuple[int, int]],
    ) -> None:
        self._root = root
        self._run_dir = run_dir
        self._host = host
        self._records = records
        self._images = images
        self._volumes = volumes
        self._sizes = sizes
        self.id = _identity(database)

    def info(self) -> SystemInfo:
        """The facts as they are now."""
        counts: dict[str, int] = {}
        for container in self._records.all():
            word = status_of(container)
            counts[word] = counts.get(word, 0) + 1
        return SystemInfo(
            id=self.id,
            name=os.uname().nodename,
            root=str(self._root),
            run_dir=str(self._run_dir),
            host=self._host,
            containers=counts,
            images=len(self._images.list(all_images=False, filters={})),
            descriptors=len(os.listdir("/proc/self/fd")),
            threads=threading.active_count(),
            warnings=tuple(missing_limits(self._host)),
        )

    def disk_usage(self) -> DiskUsage:
        """What images, containers and volumes take; may take seconds."""
        containers = self._records.all()
        users: dict[str, int] = {}
        for container in containers:
            users[container.image] = users.get(container.image, 0) + 1
        images = self._images.list(all_images=False, filters={})
        return DiskUsage(
            layers_size=self._images.layers_size(),
            images=tuple((image, users.get(image.id, 0)) for image in images),
            containers=tuple((container, *self._sizes(container)) for container in containers),
            volumes=tuple(
                (volume, self._volumes.size(volume.name), self._volumes.users(volume.name))
                for volume in self._volumes.list({})
            ),
        )


def missing_limits(host: Host) -> list[str]:
    """Docker's sentences for what this machine cannot limit."""
    limits = host.limits
    sentences = (
        (limits.memory, "No memory limit support"),
        (limits.swap or not limits.memory, "No swap limit support"),
        (limits.cpu_shares, "No cpu shares support"),
        (limits.cpu_cfs, "No cpu cfs quota support"),
        (limits.cpu_cfs, "No cpu cfs period support"),
        (limits.cpuset, "No cpuset support"),
        (limits.pids, "No pids limit support"),
    )
    return [sentence for supported, sentence in sentences if not supported]


def _identity(database: Database) -> str:
    database.create(SCHEMA)
    with database.write(durable=True) as connection:
        fresh = _random_uuid()
        connection.execute("INSERT OR IGNORE INTO engine (key, value) VALUES ('id', ?)", (fresh,))
        (identity,) = connection.execute("SELECT value FROM engine WHERE key = 'id'").fetchone()
    return str(identity)


def _random_uuid() -> str:
    """A UUID of version 4 (RFC 9562); the module uuid costs 17 ms of start-up."""
    value = bytearray(secrets.token_bytes(16))
    value[6] = value[6] & 0x0F | 0x40
    value[8] = value[8] & 0x3F | 0x80
    text = value.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
