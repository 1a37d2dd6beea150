"""The only place that picks implementations and puts the engine together, by plain constructor calls.

From the bottom up: what is stored, what waits and runs, what a container's life needs, the use cases.
"""

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
from estiba.engine.parts import Machinery, Parts, Storage
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

    from estiba.engine.places import Places

WORKERS = 16


@dataclass(frozen=True)
class UseCases:
    """What the engine shows besides the parts."""

    containers: Containers
    system: System
    reconciler: Reconciler


def wire(places: Places, stack: ExitStack) -> tuple[Parts, UseCases]:
    """Build everything; the stack closes it in reverse."""
    storage = _storage(places, stack)
    machinery = _machinery(places, stack)
    launcher = Launcher(
        places=places,
        host=machinery.host,
        records=storage.records,
        images=storage.images,
        snapshots=storage.snapshots,
        volumes=storage.volumes,
        runtime=machinery.runtime,
    )
    execs = Execs(
        records=storage.records,
        shims=machinery.shims,
        runtime=machinery.runtime,
        launcher=launcher,
        loop=machinery.loop,
    )
    health = HealthChecks(records=storage.records, loop=machinery.loop, workers=machinery.workers)
    health.use(execs)
    stack.callback(health.close)
    removal = _removal(places, storage, machinery, execs)
    lifecycle = Lifecycle(
        records=storage.records,
        waiters=machinery.waiters,
        attachments=machinery.attachments,
        shims=machinery.shims,
        launcher=launcher,
        runtime=machinery.runtime,
        execs=execs,
        health=health,
        ends=machinery.ends,
        restarts=machinery.restarts,
        workers=machinery.workers,
        remove=removal.finish,
        later=machinery.loop.call_later,
    )
    parts = Parts(places, storage, machinery, launcher, execs, lifecycle)
    machinery.loop.start()
    return parts, _use_cases(parts, removal, health)


def _storage(places: Places, stack: ExitStack) -> Storage:
    database = stack.enter_context(Database(places.root / "estiba.db"))
    journal = EventJournal(database)
    records = ContainerRecords(database, journal)
    layers = stack.enter_context(Layers(places.root, database))
    snapshots = OverlaySnapshots(places.root, layers)
    store = ImageStore(places.root, database, layers)
    return Storage(
        database=database,
        journal=journal,
        records=records,
        layers=layers,
        snapshots=snapshots,
        images=Images(store=store, snapshots=snapshots, records=records, journal=journal),
        volumes=Volumes(store=VolumeStore(places.root, database), records=records, journal=journal),
        networks=Networks(database),
    )


def _machinery(places: Places, stack: ExitStack) -> Machinery:
    host = detect()
    cgroups = stack.enter_context(CgroupDriver(host, f"/estiba/{places.root_id}"))
    stack.callback(cgroups.remove_base)  # stays while containers run
    runtime = stack.enter_context(Runtime(directory=places.run_dir, root_id=places.root_id, cgroups=cgroups))
    loop = Loop()
    stack.callback(loop.close)
    workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="estiba-worker")
    stack.callback(workers.shutdown)
    reaper = Reaper(loop, runtime)
    shims, attachments, restarts = Shims(loop, reaper), HeldAttachments(loop), Restarts(loop)
    for part in (shims, attachments, restarts):
        stack.callback(part.close)
    return Machinery(
        host=host,
        cgroups=cgroups,
        runtime=runtime,
        loop=loop,
        workers=workers,
        reaper=reaper,
        shims=shims,
        attachments=attachments,
        restarts=restarts,
        waiters=Waiters(),
        ends=ExpectedEnds(),
    )


def _removal(places: Places, storage: Storage, machinery: Machinery, execs: Execs) -> Removal:
    return Removal(
        records=storage.records,
        waiters=machinery.waiters,
        attachments=machinery.attachments,
        shims=machinery.shims,
        execs=execs,
        ends=machinery.ends,
        restarts=machinery.restarts,
        runtime=machinery.runtime,
        snapshots=storage.snapshots,
        directory=places.container,
        discard=storage.layers.trash.discard,
        remove_volume=storage.volumes.remove,
        workers=machinery.workers,
    )


def _use_cases(parts: Parts, removal: Removal, health: HealthChecks) -> UseCases:
    storage, machinery = parts.storage, parts.machinery
    signalling = Signalling(
        records=storage.records,
        shims=machinery.shims,
        waiters=machinery.waiters,
        lifecycle=parts.lifecycle,
        ends=machinery.ends,
        restarts=machinery.restarts,
        runtime=machinery.runtime,
        workers=machinery.workers,
    )
    observation = Observation(
        records=storage.records, runtime=machinery.runtime, snapshots=storage.snapshots, images=storage.images
    )
    containers = _containers(parts, removal, signalling, observation)
    system = System(
        database=storage.database,
        root=parts.places.root,
        run_dir=parts.places.run_dir,
        host=machinery.host,
        records=storage.records,
        images=storage.images,
        volumes=storage.volumes,
        sizes=lambda container: observation.sizes(container.id),
    )
    return UseCases(containers, system, Reconciler(parts, removal=removal, health=health))


def _containers(parts: Parts, removal: Removal, signalling: Signalling, observation: Observation) -> Containers:
    storage, machinery = parts.storage, parts.machinery
    files = ContainerFiles(
        records=storage.records, shims=machinery.shims, snapshots=storage.snapshots, places=parts.places
    )
    creator = Creator(
        places=parts.places,
        host=machinery.host,
        records=storage.records,
        images=storage.images,
        layers=storage.layers,
        snapshots=storage.snapshots,
        volumes=storage.volumes,
        networks=storage.networks,
    )
    return Containers(
        parts,
        creator=creator,
        signalling=signalling,
        removal=removal,
        observation=observation,
        updates=Updates(records=storage.records, runtime=machinery.runtime, host=machinery.host),
        logs=ContainerLogs(
            records=storage.records, shims=machinery.shims, runtime=machinery.runtime, reaper=machinery.reaper
        ),
        files=files,
        committer=Committer(
            records=storage.records,
            images=storage.images,
            snapshots=storage.snapshots,
            files=files,
            signalling=signalling,
        ),
    )
