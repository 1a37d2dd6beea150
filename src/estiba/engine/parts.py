"""The parts that use cases share, put together once by wiring.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from pathlib import Path

    from estiba.engine.attachments import HeldAttachments
    from estiba.engine.events import EventJournal
    from estiba.engine.execs import Execs
    from estiba.engine.images import Images
    from estiba.engine.launching import Launcher
    from estiba.engine.lifecycle import Lifecycle
    from estiba.engine.loop import Loop
    from estiba.engine.networks import Networks
    from estiba.engine.ports import Snapshots
    from estiba.engine.records import ContainerRecords
    from estiba.engine.shims import Shims
    from estiba.engine.volumes import Volumes
    from estiba.engine.waiting import Waiters
    from estiba.linux.host import Host
    from estiba.runtime.cgroups import CgroupDriver
    from estiba.runtime.create import Runtime
    from estiba.store.database import Database


@dataclass(frozen=True)
class Places:
    """Where an engine keeps what: durable things below root, those of this boot below run_dir."""

    root: Path
    run_dir: Path
    root_id: str

    def container(self, container_id: str) -> Path:
        """The directory of a container's files: log, hosts, hostname, resolv.conf."""
        return self.root / "containers" / container_id


@dataclass(frozen=True)
class Parts:
    """The parts of one engine."""

    places: Places
    host: Host
    database: Database
    journal: EventJournal
    loop: Loop
    workers: Executor
    records: ContainerRecords
    waiters: Waiters
    shims: Shims
    attachments: HeldAttachments
    runtime: Runtime
    cgroups: CgroupDriver
    snapshots: Snapshots
    images: Images
    volumes: Volumes
    networks: Networks
    launcher: Launcher
    execs: Execs
    lifecycle: Lifecycle
