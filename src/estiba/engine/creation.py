"""Making a container: everything is checked first, then made in order, and undone in reverse when a step fails.

The record comes last, so a crash leaves only what a new engine recognises as nobody's and removes.
"""

from __future__ import annotations

import os
import posixpath
import secrets
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from estiba.engine.container_events import container_event
from estiba.engine.initlayer import fill, init_key
from estiba.engine.records import name_conflict
from estiba.engine.request.merge import complete
from estiba.engine.request.mounts import resolve_mounts
from estiba.engine.request.names import check_container_name, random_name
from estiba.engine.request.validate import check_create, check_request
from estiba.engine.rootview import make_directories
from estiba.engine.state import Container, Created, Health, MountPoint
from estiba.errors import Conflict, SystemFailure
from estiba.linux.openat2 import open_in_root

if TYPE_CHECKING:
    from estiba.engine.config import ContainerConfig, EndpointConfig, HostConfig, NetworkingConfig
    from estiba.engine.images import Images
    from estiba.engine.networks import Networks
    from estiba.engine.places import Places
    from estiba.engine.ports import Snapshots
    from estiba.engine.records import ContainerRecords
    from estiba.engine.request.merge import Completed
    from estiba.engine.volumes import Volumes
    from estiba.images.store import Image
    from estiba.linux.host import Host
    from estiba.snapshots.layers import Layers


@dataclass(frozen=True)
class Creation:
    """The new container's id, and what could not be done quite as asked."""

    id: str
    warnings: list[str]


class Creator:
    """Makes containers."""

    def __init__(
        self,
        *,
        places: Places,
        host: Host,
        records: ContainerRecords,
        images: Images,
        layers: Layers,
        snapshots: Snapshots,
        volumes: Volumes,
        networks: Networks,
    ) -> None:
        self._places = places
        self._host = host
        self._records = records
        self._images = images
        self._layers = layers
        self._snapshots = snapshots
        self._volumes = volumes
        self._networks = networks

    def create(
        self,
        config: ContainerConfig,
        host: HostConfig,
        networking: NetworkingConfig,
        *,
        name: str = "",
        platform: str = "",
    ) -> Creation:
        """Check, make, record. Raises NotFound, InvalidArgument, Conflict, Unsupported; nothing half-made stays."""
        warnings = check_request(config, host, networking, self._host)
        image = self._images.for_platform(config.image, platform)
        container_id = secrets.token_hex(32)
        name = self._name(name)
        completed = complete(
            config,
            host,
            networking,
            image.config.defaults,
            container_id=container_id,
            machine=self._host,
            find=self._records.find,
        )
        check_create(completed)
        with ExitStack() as always, ExitStack() as undo:
            always.callback(self._volumes.unclaim, container_id)
            mounts = self._mounts(container_id, completed, undo)
            with self._layers.lease():  # an image removed meanwhile would take the init layer along
                self._snapshots.prepare(container_id, self._stack(image))
            undo.callback(self._snapshots.remove, container_id)
            directory = self._places.container(container_id)
            directory.mkdir(mode=0o710)
            undo.callback(os.rmdir, directory)
            self._prepare_files(container_id, completed, mounts)
            container = self._record(container_id, name, image, completed, mounts)
            self._records.add(container, [container_event(container, "create")])
            undo.pop_all()
        return Creation(container_id, warnings)

    def _name(self, asked: str) -> str:
        name = asked.removeprefix("/")
        if not name:
            for _ in range(100):
                name = random_name()
                if self._records.name_taken(name) is None:
                    return name
            return f"{random_name()}_{secrets.token_hex(4)}"
        check_container_name(name)
        owner = self._records.name_taken(name)
        if owner is not None:
            raise Conflict(name_conflict(name, owner))
        return name

    def _mounts(self, container_id: str, completed: Completed, undo: ExitStack) -> tuple[MountPoint, ...]:
        """The container's mounts, with their volumes made."""
        made = []
        for mount in resolve_mounts(completed.config, completed.host, self._records.get):
            if mount.type == "image":
                self._images.get(mount.source)
            if mount.type != "volume":
                made.append(mount)
                continue
            labels = _labels(completed.host, mount)
            volume, fresh = self._volumes.claim(container_id, mount.name, driver=mount.driver, labels=labels)
            if fresh:
                undo.callback(self._volumes.discard, volume.name, container_id)
            made.append(replace(mount, name=volume.name, source=str(volume.mountpoint)))
        return tuple(made)

    def _stack(self, image: Image) -> list[str]:
        """The image's layers and the init layer above them, which is made at the first need."""
        chain = list(image.chain_ids)
        key = init_key(chain)
        if not self._layers.has(key):
            self._layers.ensure(
                key, chain[-1] if chain else None, lambda layer, root: fill(layer.descriptor, root), deferred=False
            )
        return [*chain, key]

    def _prepare_files(self, container_id: str, completed: Completed, mounts: tuple[MountPoint, ...]) -> None:
        """The working directory, and what the image has at the places of new volumes."""
        volumes = [mount for mount in mounts if mount.type == "volume" and not mount.no_copy]
        working = completed.config.working_dir
        if not volumes and working in ("", "/"):
            return
        with self._snapshots.open_root(container_id) as root:
            if working not in ("", "/"):
                _make_working_directory(root, working)
            for mount in volumes:
                self._fill_volume(root, mount)

    def _fill_volume(self, root: int, mount: MountPoint) -> None:
        try:
            source = open_in_root(root, mount.destination, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            return
        try:
            self._volumes.store.fill(self._volumes.get(mount.name), source)
        finally:
            os.close(source)

    def _record(
        self, container_id: str, name: str, image: Image, completed: Completed, mounts: tuple[MountPoint, ...]
    ) -> Container:
        return Container(
            id=container_id,
            name=name,
            created=time.time_ns(),
            path=completed.path,
            args=completed.args,
            image=image.id,
            config=completed.config,
            host=completed.host,
            state=Created(),
            mounts=mounts,
            endpoints=self._with_ids(completed.endpoints),
            health=Health() if completed.config.has_health_check else None,
            directory=str(self._places.container(container_id)),
        )

    def _with_ids(self, endpoints: dict[str, EndpointConfig]) -> dict[str, EndpointConfig]:
        return {
            name: replace(endpoint, network_id="" if (network := self._networks.find(name)) is None else network.id)
            for name, endpoint in endpoints.items()
        }


def _make_working_directory(root: int, path: str) -> None:
    try:
        make_directories(root, path)
    except OSError as error:
        raise SystemFailure(f"Cannot mkdir: {path}: {(error.strerror or '').lower()}") from error


def _labels(host: HostConfig, mount: MountPoint) -> dict[str, str] | None:
    """The labels that --mount gives to a new volume."""
    for request in host.mounts or []:
        if request.type == "volume" and posixpath.normpath(request.target) == mount.destination:
            return request.volume_options.labels if request.volume_options is not None else None
    return None
