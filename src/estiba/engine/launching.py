"""From a container's record to what the runtime starts: mounts found, user looked up, files written, spec built."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from estiba.engine.filters import status_of
from estiba.engine.logs import log_file
from estiba.engine.spec.build import build_spec
from estiba.engine.spec.etcfiles import added_to, hosts_file, resolv_conf
from estiba.engine.spec.launch import Launch
from estiba.engine.spec.mounts import SHARED_MEMORY
from estiba.engine.spec.paths import clean
from estiba.engine.spec.process import build_exec_process
from estiba.engine.spec.users import UnknownUser, User, resolve_user
from estiba.engine.state import Container, MountPoint, Running
from estiba.errors import Conflict, InvalidArgument, SystemFailure
from estiba.linux.openat2 import RESOLVE_IN_ROOT, RESOLVE_NO_SYMLINKS, openat2
from estiba.runtime.bundle import Bundle
from estiba.store.atomic import write_file

if TYPE_CHECKING:
    from estiba.engine.config import ExecConfig
    from estiba.engine.images import Images
    from estiba.engine.places import Places
    from estiba.engine.ports import Snapshots
    from estiba.engine.records import ContainerRecords
    from estiba.engine.volumes import Volumes
    from estiba.linux.host import Host
    from estiba.oci.runtime_spec import Mount, Process, Spec
    from estiba.runtime.create import Runtime
    from estiba.runtime.monitor import Shim

_MOST_TEXT = 1 << 20  # the container writes its resolv.conf, and may leave terabytes of holes there
_MOST_USERS = 1024
_JOINABLE = (("network", "net"), ("pid", "pid"), ("ipc", "ipc"))


class Launcher:
    """Prepares starts of containers and execs."""

    def __init__(
        self,
        *,
        places: Places,
        host: Host,
        records: ContainerRecords,
        images: Images,
        snapshots: Snapshots,
        volumes: Volumes,
        runtime: Runtime,
    ) -> None:
        self._places = places
        self._host = host
        self._records = records
        self._images = images
        self._snapshots = snapshots
        self._volumes = volumes
        self._runtime = runtime
        self._lock = threading.Lock()
        self._users: dict[tuple[str, str, tuple[str, ...]], User] = {}
        self._specs: dict[str, Spec] = {}

    # containers

    def bundle(self, container: Container) -> Bundle:
        """Everything for a start. Raises EstibaError with Docker's words for what is missing or wrong."""
        spec = build_spec(container, self._launch(container))
        with self._lock:
            self._specs[container.id] = spec
        return Bundle(
            id=container.id,
            spec=spec,
            directory=self._runtime.container_directory(container.id),
            log=None if container.host.log_config.type == "none" else log_file(container),
            open_stdin=container.config.open_stdin,
            stdin_once=container.config.stdin_once,
        )

    def describe(self, container: Container) -> list[str]:
        """The launch plan, a line an operation."""
        return self._runtime.plan(self.bundle(container)).describe()

    def forget(self, container_id: str) -> None:
        """The container is gone."""
        with self._lock:
            self._specs.pop(container_id, None)

    def _launch(self, container: Container) -> Launch:
        joined, donors = self._joined(container)
        return Launch(
            host=self._host,
            root=self._snapshots.mounts(container.id),
            attach=str(self._places.run_dir / "rootfs"),
            files={} if container.config.network_disabled else self._write_files(container, donors.get("network")),
            sources=self._sources(container),
            extra=self._image_mounts(container),
            user=self._user(container),
            cgroup=self._cgroup(container),
            joined=joined,
            hostname="" if container.host.uts_mode == "host" else donors.get("network", container).config.hostname,
            init=self._runtime.init_program if container.host.init else "",
            shm=_shared_memory_of(donors.get("ipc")),
        )

    def _cgroup(self, container: Container) -> str:
        parent = container.host.cgroup_parent
        if not parent:
            return f"/estiba/{self._places.root_id}/{container.id}"
        return os.path.join("/", os.path.normpath("/" + parent).lstrip("/"), container.id)

    def _joined(self, container: Container) -> tuple[dict[str, str], dict[str, Container]]:
        """The namespaces of other containers that this one shares, and whose they are."""
        host = container.host
        modes = {"network": host.network_mode, "pid": host.pid_mode, "ipc": host.ipc_mode}
        joined, donors = {}, {}
        for kind, name in _JOINABLE:
            if modes[kind].startswith("container:"):
                donor = self._donor(kind, modes[kind].removeprefix("container:"))
                donors[kind] = donor
                joined[kind] = f"/proc/{_pid(donor)}/ns/{name}"
        return joined, donors

    def _donor(self, kind: str, reference: str) -> Container:
        donor = self._records.find(reference)
        if donor is None:
            if kind == "network":
                raise SystemFailure(f"joining network namespace of container: No such container: {reference}")
            raise InvalidArgument(f"No such container: {reference}")
        if not isinstance(donor.state, Running) and kind != "network":
            raise SystemFailure(f"failed to join {kind.upper()} namespace: container {donor.id} is not running")
        if not isinstance(donor.state, Running):
            state = status_of(donor)
            raise Conflict(
                f"cannot join {kind} namespace of a non running container: container {donor.name} is {state}"
            )
        if kind == "ipc" and not _shares_memory(donor):
            raise SystemFailure(
                f"failed to join IPC namespace: container {donor.id}: non-shareable IPC "
                "(hint: use IpcMode:shareable for the donor container)"
            )
        return donor

    # mounts and files

    def _sources(self, container: Container) -> dict[str, str]:
        sources = {}
        for mount in container.mounts:
            if mount.type == "volume":
                volume = self._volumes.get(mount.name)
                if mount.subpath:
                    os.close(self._volumes.store.open_path(volume, mount.subpath))
                sources[mount.destination] = str(volume.mountpoint)
            elif mount.type == "bind":
                if not os.path.exists(mount.source):
                    _make_source(mount)
                sources[mount.destination] = mount.source
        return sources

    def _image_mounts(self, container: Container) -> dict[str, list[Mount]]:
        found = {}
        for mount in container.mounts:
            if mount.type == "image":
                view = self._snapshots.view(self._images.get(mount.source).chain_ids)
                if mount.subpath or len(view) != 1:
                    raise InvalidArgument(
                        f"cannot mount a part of image {mount.source}: only whole images are supported"
                    )
                found[mount.destination] = [replace(view[0], destination=mount.destination)]
        return found

    def _write_files(self, container: Container, network_of: Container | None) -> dict[str, str]:
        """hosts, hostname and resolv.conf in the container's directory; those of the donor of its network."""
        if network_of is not None:
            directory = Path(network_of.directory)
        else:
            directory = Path(container.directory)
            if not isinstance(container.state, Running):  # else only its plan is looked at
                self._write_own_files(container, directory)
        return {f"/etc/{name}": str(directory / name) for name in ("resolv.conf", "hostname", "hosts")}

    def _write_own_files(self, container: Container, directory: Path) -> None:
        host = container.host
        extra = host.extra_hosts or []
        hosts = added_to(_read("/etc/hosts"), extra) if host.network_mode == "host" else hosts_file(extra)
        name = container.config.hostname
        resolver = resolv_conf(
            _read("/etc/resolv.conf"),
            nameservers=host.dns,
            search=host.dns_search,
            options=host.dns_options,
            host_network=host.network_mode == "host",
        )
        for file, content in (("hosts", hosts), ("hostname", f"{name}\n")):
            _write(directory / file, content)
        _write_unless_edited(directory / "resolv.conf", resolver)

    # users

    def _user(self, container: Container) -> User:
        """Looked up in the image once, in the container itself only where it has files of its own for that."""
        added = tuple(container.host.group_add or [])
        stack = tuple(self._snapshots.stack(container.id))
        key = (stack[-1] if stack else "", container.config.user, added)
        if self._has_own_accounts(container.id):
            with self._snapshots.open_root(container.id) as root:
                return resolve_user(root, container.config.user, added)
        with self._lock:
            known = self._users.get(key)
        if known is None:
            with self._snapshots.open_view(stack) as root:
                known = resolve_user(root, container.config.user, added)
            with self._lock:
                if len(self._users) >= _MOST_USERS:
                    self._users.clear()
                self._users[key] = known
        return known

    def _has_own_accounts(self, container_id: str) -> bool:
        """Whether the container's writable layer may change what a look-up finds."""
        with self._snapshots.upper(container_id) as upper:
            try:
                directory = openat2(
                    upper, "etc", os.O_PATH | os.O_NOFOLLOW, resolve=RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS
                )
            except FileNotFoundError:
                return False
            except OSError:
                return True
            try:
                names = os.listdir(f"/proc/self/fd/{directory}")
                opaque = "trusted.overlay.opaque" in os.listxattr(f"/proc/self/fd/{directory}")
            except OSError:
                return True
            finally:
                os.close(directory)
            return opaque or "passwd" in names or "group" in names

    # execs

    def exec_user(self, container: Container, config: ExecConfig, shim: Shim) -> User:
        """Who an additional process runs as. Raises InvalidArgument for a user that there is not."""
        root = shim.open_file("root")
        try:
            return resolve_user(root, config.user or container.config.user, container.host.group_add or [])
        except UnknownUser as error:
            raise InvalidArgument(error.message) from None
        finally:
            os.close(root)

    def exec_process(
        self, container: Container, config: ExecConfig, console_size: tuple[int, int] | None, shim: Shim
    ) -> tuple[Process, Spec]:
        """The process of an exec, and the specification of its container."""
        with self._lock:
            spec = self._specs.get(container.id)
        if spec is None:
            spec = self._spec_of_running(container)
        sized = replace(config, console_size=console_size) if console_size else config
        user = self.exec_user(container, config, shim)
        return build_exec_process(container, sized, user, spec.process, self._host), spec

    def _spec_of_running(self, container: Container) -> Spec:
        """What an exec has to know of a container that an earlier engine started: nothing of its files and mounts."""
        network = container.host.network_mode.partition(":")
        donor = self._records.find(network[2]) if network[0] == "container" else container
        launch = Launch(
            host=self._host,
            root=[],
            attach="",
            files={},
            sources={},
            extra={},
            user=User(uid=0, gid=0, groups=(0,), home="/"),
            cgroup=self._cgroup(container),
            joined={},
            hostname="" if container.host.uts_mode == "host" or donor is None else donor.config.hostname,
        )
        host = replace(container.host, devices=None, device_cgroup_rules=None, tmpfs=None)
        spec = build_spec(replace(container, host=host, mounts=()), launch)
        with self._lock:
            self._specs[container.id] = spec
        return spec


def _pid(container: Container) -> int:
    if not isinstance(container.state, Running):
        raise Conflict(f"container {container.id} is not running")
    return container.state.pid


def _shares_memory(donor: Container) -> bool:
    """Whether other containers may join its IPC namespace: a /dev/shm that the user put there is not given away."""
    mode = donor.host.ipc_mode
    own = {mount.destination for mount in donor.mounts} | {clean(path) for path in donor.host.tmpfs or {}}
    return mode == "host" or ((mode == "shareable" or mode.startswith("container:")) and SHARED_MEMORY not in own)


def _shared_memory_of(donor: Container | None) -> str:
    if donor is None:
        return ""
    return SHARED_MEMORY if donor.host.ipc_mode == "host" else f"/proc/{_pid(donor)}/root{SHARED_MEMORY}"


def _make_source(mount: MountPoint) -> None:
    """The directory of a -v that is not there; that of a --mount must be."""
    path = mount.source
    if not mount.create_source:
        raise InvalidArgument(f'invalid mount config for type "bind": bind source path does not exist: {path}')
    try:
        os.makedirs(path, mode=0o755)
    except OSError as error:
        reason = f"mkdir {error.filename or path}: {(error.strerror or '').lower()}"
        raise SystemFailure(f"error while creating mount source path '{path}': {reason}") from error


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(_MOST_TEXT)
    except FileNotFoundError:
        return ""


def _write(path: Path, content: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    with open(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, 0o644)
        file.write(content)


def _write_unless_edited(path: Path, content: str) -> None:
    """resolv.conf: what a user changed in it stays; a copy beside it tells. A crash in between is no change."""
    beside = path.with_name(path.name + ".generated")
    before = _read(str(beside))
    if before and _read(str(path)) not in (before, content):
        return
    if before != content:
        write_file(path, content.encode(), 0o644, durable=False)
        write_file(beside, content.encode(), 0o644, durable=False)
