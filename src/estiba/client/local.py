"""The backend in this process: the engine itself, its streams on socket pairs."""

from __future__ import annotations

import queue
import socket
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from estiba.client.backend import ContainerInfo, EventInfo, ImageInfo, VolumeInfo
from estiba.engine.attachments import AttachRequest
from estiba.engine.config import NetworkingConfig
from estiba.engine.filters import status_of
from estiba.engine.logs import LogRequest
from estiba.engine.state import Running, ended_of
from estiba.images.progress import Progress, silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from estiba.engine.config import ContainerConfig, ExecConfig, HostConfig
    from estiba.engine.engine import Engine
    from estiba.engine.events import Event
    from estiba.engine.state import Container
    from estiba.engine.waiting import WaitResult
    from estiba.images.store import Image
    from estiba.volumes.volume import Volume

_QUEUED = 16


class LocalBackend:
    """One engine of this process; closes it at the end."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def create(self, config: ContainerConfig, host: HostConfig, name: str, platform: str) -> str:
        self.engine.check_process()
        return self.engine.containers.create(config, host, NetworkingConfig(), name=name, platform=platform).id

    def start(self, container_id: str) -> None:
        self.engine.containers.start(container_id)

    def attach(self, container_id: str, *, stdin: bool, logs: bool = False) -> socket.socket:
        request = AttachRequest(stdin=stdin, stdout=True, stderr=True, logs=logs)
        self.engine.containers.attach_check(container_id, request)
        return self._served(lambda descriptor: self.engine.containers.attach(container_id, request, descriptor))

    def wait(self, container_id: str, condition: str) -> Future[int]:
        future: Future[int] = Future()

        def answer(ended: Future[WaitResult]) -> None:
            if future.set_running_or_notify_cancel():
                future.set_result(ended.result().exit_code)

        self.engine.containers.wait(container_id, condition).add_done_callback(answer)
        return future

    def kill(self, container_id: str, signal: str) -> None:
        self.engine.containers.kill(container_id, signal).result()

    def stop(self, container_id: str, timeout: int | None) -> None:
        self.engine.containers.stop(container_id, timeout=timeout).result()

    def restart(self, container_id: str, timeout: int | None) -> None:
        self.engine.containers.restart(container_id, timeout=timeout).result()

    def pause(self, container_id: str) -> None:
        self.engine.containers.pause(container_id)

    def unpause(self, container_id: str) -> None:
        self.engine.containers.unpause(container_id)

    def rename(self, container_id: str, name: str) -> None:
        self.engine.containers.rename(container_id, name)

    def remove(self, container_id: str, *, force: bool, volumes: bool) -> None:
        self.engine.containers.remove(container_id, force=force, volumes=volumes).result()

    def resize(self, container_id: str, rows: int, columns: int) -> None:
        self.engine.containers.resize(container_id, rows, columns)

    def inspect(self, reference: str) -> ContainerInfo:
        return _container(self.engine.containers.get(reference))

    def list(self, *, everything: bool, filters: Mapping[str, Sequence[str]]) -> Sequence[ContainerInfo]:
        chosen = {key: [*values] for key, values in filters.items()}
        return [_container(found) for found in self.engine.containers.list(all_containers=everything, filters=chosen)]

    def logs(self, container_id: str, *, follow: bool, tail: int, timestamps: bool) -> socket.socket:
        request = LogRequest(follow=follow, tail=tail, timestamps=timestamps)
        self.engine.containers.logs.check(container_id, request)
        return self._served(lambda descriptor: self.engine.containers.logs.read(container_id, request, descriptor))

    def exec_create(self, container_id: str, config: ExecConfig) -> str:
        return self.engine.execs.create(container_id, config)

    def exec_start(self, exec_id: str) -> socket.socket:
        return self._served(lambda descriptor: self.engine.execs.start(exec_id, descriptor))

    def exec_exit_code(self, exec_id: str) -> int | None:
        return self.engine.execs.get(exec_id).exit_code

    def export(self, container_id: str) -> Iterator[bytes]:
        return _pulled(lambda write: self.engine.containers.files.export(container_id, _Writer(write)))

    def copy_out(self, container_id: str, path: str) -> Iterator[bytes]:
        self.engine.containers.files.stat(container_id, path)
        return _pulled(lambda write: self.engine.containers.files.get(container_id, path, _Writer(write)))

    def copy_in(self, container_id: str, path: str, blocks: Iterable[bytes]) -> None:
        self.engine.containers.files.put(container_id, path, _Reader(blocks))

    def commit(self, container_id: str, repository: str, tag: str) -> str:
        return self.engine.containers.commit(container_id, repository=repository, tag=tag)

    def images(self) -> Sequence[ImageInfo]:
        return [_image(found) for found in self.engine.images.list()]

    def image(self, name: str) -> ImageInfo:
        return _image(self.engine.images.get(name))

    def load(self, blocks: Iterable[bytes]) -> Sequence[str]:
        told: list[str] = []

        def report(progress: Progress) -> None:
            if progress.stream.startswith("Loaded image"):
                told.append(progress.stream.split(": ", 1)[1].strip())

        self.engine.images.load(_Reader(blocks), report, quiet=True)
        return told

    def save(self, names: Sequence[str]) -> Iterator[bytes]:
        self.engine.images.save_check(names)
        return _pulled(lambda write: self.engine.images.save(names, _Writer(write)))

    def import_archive(self, blocks: Iterable[bytes], reference: str) -> str:
        return self.engine.images.import_archive(_Reader(blocks), reference=reference, report=silent).id

    def tag(self, name: str, repository: str, tag: str) -> None:
        self.engine.images.tag(name, repository, tag)

    def remove_image(self, name: str, *, force: bool) -> None:
        self.engine.images.remove(name, force=force)

    def volumes(self) -> Sequence[VolumeInfo]:
        return [_volume(found) for found in self.engine.volumes.list({})]

    def create_volume(self, name: str, labels: Mapping[str, str]) -> VolumeInfo:
        return _volume(self.engine.volumes.create(name, labels=labels or None))

    def remove_volume(self, name: str, *, force: bool) -> None:
        self.engine.volumes.remove(name, force=force)

    def events(self, since: float | None) -> Iterator[EventInfo]:
        arrived: queue.SimpleQueue[Event] = queue.SimpleQueue()
        start = None if since is None else int(since * 1e9)
        subscription = self.engine.events.subscribe(arrived.put, since=start)
        try:
            while True:
                event = arrived.get()
                yield EventInfo(event.type, event.action, event.id, event.attributes, event.time / 1e9)
        finally:
            subscription.close()

    def info(self) -> dict[str, Any]:
        found = self.engine.system.info()
        return {"id": found.id, "root": found.root, "containers": dict(found.containers), "images": found.images}

    def close(self) -> None:
        self.engine.close()

    def _served(self, give: Callable[[int], object]) -> socket.socket:
        """Our end of a pair whose other end is given away."""
        ours, theirs = socket.socketpair()
        descriptor = theirs.detach()
        try:
            give(descriptor)
        except BaseException:
            socket.close(descriptor)
            ours.close()
            raise
        return ours


class _Reader:
    """Blocks as something to read from."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self._rest = b""

    def read(self, size: int, /) -> bytes:
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return b""
            self._rest = block
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


class _Writer:
    """A function as something to write to."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write

    def write(self, data: bytes | memoryview, /) -> int:
        self._write(bytes(data))
        return len(data)


def _pulled(produce: Callable[[Callable[[bytes], object]], object]) -> Iterator[bytes]:
    """What a function writes, as an iterator; the function waits while nobody reads, and ends when nobody will."""
    blocks: queue.Queue[bytes | BaseException | None] = queue.Queue(_QUEUED)
    abandoned = threading.Event()

    def write(block: bytes) -> None:
        while not abandoned.is_set():
            try:
                blocks.put(block, timeout=0.2)
            except queue.Full:
                continue
            return
        raise BrokenPipeError

    def run() -> None:
        try:
            produce(write)
            blocks.put(None)
        except BrokenPipeError:
            pass
        except BaseException as error:
            blocks.put(error)

    thread = threading.Thread(target=run, name="estiba-archive")
    thread.start()
    try:
        while (block := blocks.get()) is not None:
            if isinstance(block, BaseException):
                raise block
            yield block
    finally:
        abandoned.set()
        thread.join()


def _container(container: Container) -> ContainerInfo:
    ended = ended_of(container.state)
    return ContainerInfo(
        id=container.id,
        name=container.name,
        image=container.config.image,
        image_id=container.image,
        command=(container.path, *container.args),
        status=status_of(container),
        exit_code=ended.exit_code,
        error=ended.error,
        pid=container.state.pid if isinstance(container.state, Running) else 0,
        created=container.created / 1e9,
        tty=container.config.tty,
        labels=container.config.labels or {},
        health=container.health.status if container.health is not None else "",
    )


def _image(image: Image) -> ImageInfo:
    return ImageInfo(image.id, image.references, image.size, image.created, image.config.defaults.labels or {})


def _volume(volume: Volume) -> VolumeInfo:
    return VolumeInfo(volume.name, str(volume.mountpoint), volume.labels or {})
