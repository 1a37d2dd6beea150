"""The only place that picks implementations and puts the engine together, by plain constructor calls."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from estiba.engine.attachments import HeldAttachments
from estiba.engine.commit import Committer
from estiba.engine.containers import Containers
from estiba.engine.creation import Creator
from estiba.engine.events import EventJournal
from estiba.engine.execs import Execs
from estiba.engine.files import ContainerFiles
from estiba.engine.health import HealthChecks
from estiba.engine.images import Images
from estiba.engine.launching import Launcher
from estiba.engine.lifecycle import Lifecycle
from estiba.engine.logs import ContainerLogs
from estiba.engine.loop import Loop
from estiba.engine.networks import Networks
from estiba.engine.observation import Observation
from estiba.engine.parts import Parts, Places
from estiba.engine.reaper import Reaper
from estiba.engine.reconcile import Reconciler
from estiba.engine.records import ContainerRecords
from estiba.engine.removal import Removal
from estiba.engine.restarts import Restarts
from estiba.engine.shims import Shims
from estiba.engine.signalling import Signalling
from estiba.engine.system import System
from estiba.engine.updates import Updates
from estiba.engine.volumes import Volumes
from estiba.engine.waiting import ExpectedEnds, Waiters
from estiba.images.store import ImageStore
from estiba.linux.host import detect
from estiba.runtime.cgroups import CgroupDriver
from estiba.runtime.create import Runtime
from estiba.snapshots.layers import Layers
from estiba.snapshots.overlay import OverlaySnapshots
from estiba.store.database import Database
from estiba.volumes.local import VolumeStore

if TYPE_CHECKING:
    from contextlib import ExitStack

WORKERS = 16


@dataclass(frozen=True)
class UseCases:
    """What the engine shows besides the parts."""

    containers: Containers
    system: System
    reconciler: Reconciler


def wire(places: Places, stack: ExitStack) -> tuple[Parts, UseCases]:
    """Build everything; the stack closes it in reverse."""
    host = detect()
    database = stack.enter_context(Database(places.root / "estiba.db"))
    journal = EventJournal(database)
    records = ContainerRecords(database, journal)
    layers = stack.enter_context(Layers(places.root, database))
    snapshots = OverlaySnapshots(places.root, layers)
    networks = Networks(database)
    images = Images(
        store=ImageStore(places.root, database, layers), snapshots=snapshots, records=records, journal=journal
    )
    volumes = Volumes(store=VolumeStore(places.root, database), records=records, journal=journal)
    cgroups = stack.enter_context(CgroupDriver(host, f"/estiba/{places.root_id}"))
    stack.callback(cgroups.remove_base)  # stays while containers run
    runtime = stack.enter_context(Runtime(directory=places.run_dir, root_id=places.root_id, cgroups=cgroups))

    loop = Loop()
    stack.callback(loop.close)
    workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="estiba-worker")
    stack.callback(workers.shutdown)
    waiters, ends, restarts = Waiters(), ExpectedEnds(), Restarts(loop)
    shims, attachments, reaper = Shims(loop), HeldAttachments(loop), Reaper(loop)
    for part in (shims, attachments, restarts):
        stack.callback(part.close)

    launcher = Launcher(
        places=places,
        host=host,
        records=records,
        images=images,
        snapshots=snapshots,
        volumes=volumes,
        runtime=runtime,
    )
    execs = Execs(records=records, shims=shims, runtime=runtime, launcher=launcher, loop=loop)
    health = HealthChecks(records=records, loop=loop, workers=workers)
    health.use(execs)
    stack.callback(health.close)
    removal = Removal(
        records=records,
        waiters=waiters,
        attachments=attachments,
        shims=shims,
        execs=execs,
        ends=ends,
        restarts=restarts,
        runtime=runtime,
        snapshots=snapshots,
        directory=places.container,
        remove_volume=volumes.remove,
        workers=workers,
    )
    lifecycle = Lifecycle(
        records=records,
        waiters=waiters,
        attachments=attachments,
        shims=shims,
        launcher=launcher,
        runtime=runtime,
        execs=execs,
        health=health,
        ends=ends,
        restarts=restarts,
        workers=workers,
        remove=removal.finish,
    )
    parts = Parts(
        places=places,
        host=host,
        database=database,
        journal=journal,
        loop=loop,
        workers=workers,
        records=records,
        waiters=waiters,
        shims=shims,
        attachments=attachments,
        runtime=runtime,
        cgroups=cgroups,
        snapshots=snapshots,
        images=images,
        volumes=volumes,
        networks=networks,
        launcher=launcher,
        execs=execs,
        lifecycle=lifecycle,
    )
    loop.start()
    return parts, _use_cases(parts, layers, removal, health, ends, restarts, reaper)


def _use_cases(
    parts: Parts,
    layers: Layers,
    removal: Removal,
    health: HealthChecks,
    ends: ExpectedEnds,
    restarts: Restarts,
    reaper: Reaper,
) -> UseCases:
    signalling = Signalling(
        records=parts.records,
        shims=parts.shims,
        waiters=parts.waiters,
        lifecycle=parts.lifecycle,
        ends=ends,
        restarts=restarts,
        runtime=parts.runtime,
        workers=parts.workers,
    )
    observation = Observation(
        records=parts.records,
        runtime=parts.runtime,
        snapshots=parts.snapshots,
        images=parts.images,
    )
    files = ContainerFiles(records=parts.records, snapshots=parts.snapshots, places=parts.places)
    creator = Creator(
        places=parts.places,
        host=parts.host,
        records=parts.records,
        images=parts.images,
        layers=layers,
        snapshots=parts.snapshots,
        volumes=parts.volumes,
        networks=parts.networks,
    )
    containers = Containers(
        parts,
        creator=creator,
        signalling=signalling,
        removal=removal,
        observation=observation,
        updates=Updates(records=parts.records, runtime=parts.runtime, host=parts.host),
        logs=ContainerLogs(records=parts.records, shims=parts.shims, runtime=parts.runtime, reaper=reaper),
        files=files,
        committer=Committer(
            records=parts.records,
            images=parts.images,
            snapshots=parts.snapshots,
            files=files,
            signalling=signalling,
        ),
    )
    system = System(
        database=parts.database,
        root=parts.places.root,
        run_dir=parts.places.run_dir,
        host=parts.host,
        records=parts.records,
        images=parts.images,
        volumes=parts.volumes,
        sizes=lambda container: observation.sizes(container.id),
    )
    return UseCases(containers, system, Reconciler(parts, removal=removal, health=health))
