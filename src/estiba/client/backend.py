"""What the library's faces need of an engine, in this process (local.py) or at the end of a socket (remote.py)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from estiba.engine.config import ContainerConfig, ExecConfig, HostConfig


@dataclass(frozen=True)
class ContainerInfo:
    """A container as it was when it was looked at. created in seconds since the epoch; status is Docker's word."""

    id: str
    name: str
    image: str
    image_id: str
    command: tuple[str, ...]
    status: str
    exit_code: int
    error: str
    pid: int
    created: float
    tty: bool
    labels: Mapping[str, str] = field(default_factory=dict)
    health: str = ""


@dataclass(frozen=True)
class ImageInfo:
    """An image: its names, size in bytes, and labels."""

    id: str
    tags: tuple[str, ...]
    size: int
    created: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class VolumeInfo:
    """A volume and where its data is on the engine's machine."""

    name: str
    mountpoint: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class EventInfo:
    """Something that happened: Docker's type and action, the object's id and attributes, seconds since the epoch."""

    type: str
    action: str
    id: str
    attributes: Mapping[str, str]
    time: float


class Backend(Protocol):
    """One engine. Every method raises EstibaError; sockets that are returned belong to the caller."""

    def create(self, config: ContainerConfig, host: HostConfig, name: str, platform: str) -> str: ...

    def start(self, container_id: str) -> None: ...

    def attach(self, container_id: str, *, stdin: bool, logs: bool = False) -> socket.socket: ...

    def wait(self, container_id: str, condition: str) -> Future[int]: ...

    def kill(self, container_id: str, signal: str) -> None: ...

    def stop(self, container_id: str, timeout: int | None) -> None: ...

    def restart(self, container_id: str, timeout: int | None) -> None: ...

    def pause(self, container_id: str) -> None: ...

    def unpause(self, container_id: str) -> None: ...

    def rename(self, container_id: str, name: str) -> None: ...

    def remove(self, container_id: str, *, force: bool, volumes: bool) -> None: ...

    def resize(self, container_id: str, rows: int, columns: int) -> None: ...

    def inspect(self, reference: str) -> ContainerInfo: ...

    def list(self, *, everything: bool, filters: Mapping[str, Sequence[str]]) -> Sequence[ContainerInfo]: ...

    def logs(self, container_id: str, *, follow: bool, tail: int, timestamps: bool) -> socket.socket: ...

    def exec_create(self, container_id: str, config: ExecConfig) -> str: ...

    def exec_start(self, exec_id: str) -> socket.socket: ...

    def exec_exit_code(self, exec_id: str) -> int | None: ...

    def export(self, container_id: str) -> Iterator[bytes]: ...

    def copy_out(self, container_id: str, path: str) -> Iterator[bytes]: ...

    def copy_in(self, container_id: str, path: str, blocks: Iterable[bytes]) -> None: ...

    def commit(self, container_id: str, repository: str, tag: str) -> str: ...

    def images(self) -> Sequence[ImageInfo]: ...

    def image(self, name: str) -> ImageInfo: ...

    def load(self, blocks: Iterable[bytes]) -> Sequence[str]: ...

    def save(self, names: Sequence[str]) -> Iterator[bytes]: ...

    def import_archive(self, blocks: Iterable[bytes], reference: str) -> str: ...

    def tag(self, name: str, repository: str, tag: str) -> None: ...

    def remove_image(self, name: str, *, force: bool) -> None: ...

    def volumes(self) -> Sequence[VolumeInfo]: ...

    def create_volume(self, name: str, labels: Mapping[str, str]) -> VolumeInfo: ...

    def remove_volume(self, name: str, *, force: bool) -> None: ...

    def events(self, since: float | None) -> Iterator[EventInfo]: ...

    def info(self) -> dict[str, Any]: ...

    def close(self) -> None: ...
