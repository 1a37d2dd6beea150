"""The parts that use cases share, put together once by wiring.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from estiba.engine.attachments import HeldAttachments
    from estiba.engine.events import EventJournal
    from estiba.engine.execs import Execs
    from estiba.engine.images import Images
    from estiba.engine.launching import Launcher
    from estiba.engine.lifecycle import Lifecycle
    from estiba.engine.loop import Loop
    from estiba.engine.networks import Networks
    from estiba.engine.places import Places
    from estiba.engine.ports import Snapshots
    from estiba.engine.reaper import Reaper
    from estiba.engine.records import ContainerRecords
    from estiba.engine.restarts import Restarts
    from estiba.engine.shims import Shims
    from estiba.engine.volumes import Volumes
    from estiba.engine.waiting import ExpectedEnds, Waiters
    from estiba.linux.host import Host
    from estiba.runtime.cgroups import CgroupDriver
    from estiba.runtime.create import Runtime
    from estiba.snapshots.layers import Layers
    from estiba.store.database import Database


@dataclass(frozen=True)
class Storage:
    """What lasts."""

    database: Database
    journal: EventJournal
    records: ContainerRecords
    layers: Layers
    snapshots: Snapshots
    images: Images
    volumes: Volumes
    networks: Networks


@dataclass(frozen=True)
class Machinery:
    """What runs and waits."""

    host: Host
    cgroups: CgroupDriver
    runtime: Runtime
    loop: Loop
    workers: Executor
    reaper: Reaper
    shims: Shims
    attachments: HeldAttachments
    restarts: Restarts
    waiters: Waiters
    ends: ExpectedEnds


@dataclass(frozen=True)
class Parts:
    """The parts of one engine."""

    places: Places
    storage: Storage
    machinery: Machinery
    launcher: Launcher
    execs: Execs
    lifecycle: Lifecycle
