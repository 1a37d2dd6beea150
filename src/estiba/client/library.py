"""The library: an engine, containers, images and volumes as objects. Blocking and thread-safe.

    with estiba.Engine() as engine:                      the engine in this process
    with estiba.connect("unix:///run/estiba.sock") as engine:      the same face over a socket
        print(engine.run("hello").stdout)

Leaving the `with` block removes the containers that were made in it; others run on.
"""

from __future__ import annotations

import contextlib
import os
import tarfile
import tempfile
import threading
import time
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from estiba.client.options import Options, container_config, host_config, words
from estiba.client.process import Demultiplexer, Output, Process, Timeout
from estiba.engine.config import ExecConfig
from estiba.errors import Conflict, EstibaError, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future
    from types import TracebackType
    from typing import IO, Any, Unpack

    from estiba.client.backend import Backend, ContainerInfo, EventInfo, ImageInfo, VolumeInfo
    from estiba.client.options import Command

_EXIT_POLL = 0.005


class ProcessFailed(EstibaError):
    """A program ended with another exit code than 0.

    Attributes:
        result: what it wrote, and its exit code.
    """

    def __init__(self, message: str, result: Completed) -> None:
        super().__init__(message)
        self.result = result


@dataclass(frozen=True)
class Completed:
    """A program that has ended: its exit code, and what it wrote."""

    returncode: int
    stdout_bytes: bytes
    stderr_bytes: bytes

    @property
    def stdout(self) -> str:
        """As text; bytes that are not UTF-8 are replaced."""
        return self.stdout_bytes.decode("utf-8", "replace")

    @property
    def stderr(self) -> str:
        """As text; bytes that are not UTF-8 are replaced."""
        return self.stderr_bytes.decode("utf-8", "replace")


class Container:
    """A container's handle. What it knows of itself is looked up anew at each question."""

    def __init__(self, backend: Backend, container_id: str) -> None:
        self._backend = backend
        self.id = container_id

    def __repr__(self) -> str:
        return f"<Container {self.id[:12]}>"

    def info(self) -> ContainerInfo:
        """How it is now. Raises NotFound."""
        return self._backend.inspect(self.id)

    @property
    def name(self) -> str:
        """Its name."""
        return self.info().name

    @property
    def status(self) -> str:
        """created, running, paused, restarting, exited or dead."""
        return self.info().status

    def start(self) -> None:
        """Run it. Raises StartFailed, Conflict."""
        self._backend.start(self.id)

    def attach(self, *, stdin: bool = False, logs: bool = False) -> Process:
        """Its first process with its streams; logs: from what it has written before on."""
        info = self.info()
        connection = self._backend.attach(self.id, stdin=stdin, logs=logs)
        ended = self._backend.wait(self.id, "not-running" if info.status == "running" else "next-exit")
        return Process(connection, tty=info.tty, stdin=stdin, wait=_waiter(ended), kill=self.kill)

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, when it does not run any more. Raises Timeout."""
        code = _waiter(self.ended())(timeout)
        if code is None:
            raise Timeout(f"container {self.id[:12]} still runs after {timeout} s")
        return code

    def ended(self) -> Future[int]:
        """A future of its exit code."""
        return self._backend.wait(self.id, "not-running")

    def stop(self, timeout: int | None = None) -> None:
        """Ask it to end, and kill it after `timeout` seconds (its own, or 10)."""
        self._backend.stop(self.id, timeout)

    def kill(self, signal: str = "KILL") -> None:
        """Send a signal to its first process."""
        self._backend.kill(self.id, signal)

    def restart(self, timeout: int | None = None) -> None:
        """Stop and start."""
        self._backend.restart(self.id, timeout)

    def pause(self) -> None:
        """Freeze its processes."""
        self._backend.pause(self.id)

    def unpause(self) -> None:
        """Let them go on."""
        self._backend.unpause(self.id)

    def rename(self, name: str) -> None:
        """Give it another name."""
        self._backend.rename(self.id, name)

    def remove(self, *, force: bool = False, volumes: bool = False) -> None:
        """Remove it; force: also while it runs; volumes: with its anonymous volumes."""
        self._backend.remove(self.id, force=force, volumes=volumes)

    def logs(self, *, follow: bool = False, tail: int = -1, timestamps: bool = False) -> Logs:
        """What it wrote."""
        connection = self._backend.logs(self.id, follow=follow, tail=tail, timestamps=timestamps)
        return Logs(connection, tty=self.info().tty)

    def popen(
        self,
        command: Command,
        *,
        stdin: bool = False,
        tty: bool = False,
        user: str = "",
        workdir: str = "",
        env: Mapping[str, str] | None = None,
        privileged: bool = False,
    ) -> Process:
        """One more process in it, with its streams. Raises StartFailed, Conflict."""
        config = ExecConfig(
            cmd=words(command),
            attach_stdin=stdin,
            attach_stdout=True,
            attach_stderr=True,
            tty=tty,
            user=user,
            working_dir=workdir,
            env=[f"{name}={value}" for name, value in (env or {}).items()] or None,
            privileged=privileged,
        )
        exec_id = self._backend.exec_create(self.id, config)
        connection = self._backend.exec_start(exec_id)
        return Process(
            connection,
            tty=tty,
            stdin=stdin,
            wait=lambda timeout: self._exec_code(exec_id, timeout),
            kill=self._cannot_signal,
        )

    def exec(self, command: Command, *, input: str | bytes | None = None, **options: Any) -> Completed:  # noqa: A002
        """Run one more process in it and wait for its end."""
        with self.popen(command, stdin=input is not None, **options) as process:
            out, err = process.communicate(input)
            return Completed(process.wait(), out, err)

    def _exec_code(self, exec_id: str, timeout: float | None) -> int | None:
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self._backend.exec_exit_code(exec_id)) is None:
            if deadline is not None and time.monotonic() >= deadline:
                return None
            time.sleep(_EXIT_POLL)
        return code

    def _cannot_signal(self, signal: str) -> None:
        raise Conflict(
            f"cannot send {signal} to a process of {self.id[:12]} that was started by exec: use `kill` in it"
        )

    def copy_to(self, source: str | os.PathLike[str], directory: str) -> None:
        """Copy a file or directory of this machine into a directory of the container."""
        with tempfile.TemporaryFile() as spool:
            with tarfile.open(fileobj=spool, mode="w", format=tarfile.PAX_FORMAT) as archive:
                archive.add(source, arcname=Path(source).name)
            spool.seek(0)
            self._backend.copy_in(self.id, directory, _pieces(spool))

    def copy_from(self, path: str, directory: str | os.PathLike[str]) -> None:
        """Copy a file or directory of the container into a directory of this machine."""
        with tempfile.TemporaryFile() as spool:
            for block in self._backend.copy_out(self.id, path):
                spool.write(block)
            spool.seek(0)
            with tarfile.open(fileobj=spool) as archive:
                archive.extractall(directory, filter="data")

    def export(self) -> Iterator[bytes]:
        """Its root file system as a tar, in pieces."""
        return self._backend.export(self.id)

    def commit(self, repository: str = "", tag: str = "") -> Image:
        """An image of what it changed."""
        return Image(self._backend, self._backend.commit(self.id, repository, tag))


class Logs:
    """A container's log: iterate over its lines, or `read()` stdout. Close it, or use it in a `with` block."""

    def __init__(self, connection: Any, *, tty: bool) -> None:
        self._connection = connection
        source = Demultiplexer(connection, framed=not tty)
        self.stdout = Output(source, 1)
        self.stderr = Output(source, 2)

    def __iter__(self) -> Iterator[str]:
        return iter(self.stdout)

    def read(self) -> str:
        """All of stdout."""
        return self.stdout.read()

    def close(self) -> None:
        """Read no more."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class Image:
    """An image's handle."""

    def __init__(self, backend: Backend, image_id: str) -> None:
        self._backend = backend
        self.id = image_id

    def __repr__(self) -> str:
        return f"<Image {self.id.removeprefix('sha256:')[:12]}>"

    def info(self) -> ImageInfo:
        """What it is. Raises NotFound."""
        return self._backend.image(self.id)

    @property
    def tags(self) -> tuple[str, ...]:
        """Its names."""
        return self.info().tags

    def tag(self, repository: str, tag: str = "latest") -> None:
        """Give it a further name."""
        self._backend.tag(self.id, repository, tag)

    def save(self) -> Iterator[bytes]:
        """An archive of it, in pieces."""
        return self._backend.save([self.id])

    def remove(self, *, force: bool = False) -> None:
        """Remove it with all its names."""
        self._backend.remove_image(self.id, force=force)


class Images:
    """The images of an engine."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def list(self) -> Sequence[Image]:
        """Newest first."""
        return [Image(self._backend, found.id) for found in self._backend.images()]

    def get(self, name: str) -> Image:
        """By name or id. Raises NotFound."""
        return Image(self._backend, self._backend.image(name).id)

    def load(self, archive: str | os.PathLike[str] | Iterable[bytes]) -> Sequence[str]:
        """Take the images of an archive (a file, or its bytes in pieces); returns their names."""
        return self._backend.load(_blocks(archive))

    def import_archive(self, archive: str | os.PathLike[str] | Iterable[bytes], reference: str) -> Image:
        """Make an image of a tar of a file tree."""
        return Image(self._backend, self._backend.import_archive(_blocks(archive), reference))


class Volumes:
    """The volumes of an engine."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def list(self) -> Sequence[VolumeInfo]:
        """By name."""
        return self._backend.volumes()

    def create(self, name: str = "", labels: Mapping[str, str] | None = None) -> VolumeInfo:
        """Make one, or get the one of this name."""
        return self._backend.create_volume(name, labels or {})

    def remove(self, name: str, *, force: bool = False) -> None:
        """Remove it and its data. Raises NotFound, Conflict."""
        self._backend.remove_volume(name, force=force)


class Containers:
    """The containers of an engine."""

    def __init__(self, backend: Backend, made: Callable[[str], None]) -> None:
        self._backend = backend
        self._made = made

    def create(self, image: str, command: Command = None, **options: Unpack[Options]) -> Container:
        """Make one; nothing runs yet. Raises NotFound (the image), InvalidArgument, Conflict (the name)."""
        config, host = container_config(image, command, options), host_config(options)
        container_id = self._backend.create(config, host, options.get("name", ""), options.get("platform", ""))
        self._made(container_id)
        return Container(self._backend, container_id)

    def get(self, reference: str) -> Container:
        """By name or id. Raises NotFound."""
        return Container(self._backend, self._backend.inspect(reference).id)

    def list(
        self, *, everything: bool = False, filters: Mapping[str, Sequence[str]] | None = None
    ) -> Sequence[Container]:
        """Newest first; only those that run unless everything is asked for."""
        return [
            Container(self._backend, info.id)
            for info in self._backend.list(everything=everything, filters=filters or {})
        ]


class EngineFace:
    """What an engine can do, wherever it is."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._lock = threading.Lock()
        self._owned: list[str] = []
        self.containers = Containers(backend, self._own)
        self.images = Images(backend)
        self.volumes = Volumes(backend)

    def run(
        self,
        image: str,
        command: Command = None,
        *,
        input: str | bytes | None = None,  # noqa: A002
        timeout: float | None = None,
        check: bool = False,
        **options: Unpack[Options],
    ) -> Completed:
        """Run a program in a new container, wait for its end, remove the container.

        Args:
            input: its stdin.
            timeout: seconds; the container is killed and removed then, and Timeout raised.
            check: raise ProcessFailed for another exit code than 0.
        """
        options["stdin"] = input is not None
        with self.popen(image, command, **options) as process:
            out, err = process.communicate(input, timeout)
            result = Completed(process.wait(timeout), out, err)
        if check and result.returncode != 0:
            raise ProcessFailed(f"{image} ended with {result.returncode}: {result.stderr.strip()[-500:]}", result)
        return result

    def popen(self, image: str, command: Command = None, **options: Unpack[Options]) -> Process:
        """Run a program in a new container, with its streams; closing the process removes the container."""
        container = self.containers.create(image, command, **options)
        tty, stdin = options.get("tty", False), options.get("stdin", False)
        with contextlib.ExitStack() as undo:
            undo.callback(self._remove, container.id)
            connection = self._backend.attach(container.id, stdin=stdin)
            undo.callback(connection.close)
            ended = self._backend.wait(container.id, "next-exit")
            container.start()
            undo.pop_all()
        return Process(
            connection,
            tty=tty,
            stdin=stdin,
            wait=_waiter(ended),
            kill=container.kill,
            close=lambda: self._remove(container.id),
        )

    def start(self, image: str, command: Command = None, **options: Unpack[Options]) -> Container:
        """Run a program in a new container, in the background."""
        container = self.containers.create(image, command, **options)
        container.start()
        return container

    def events(self, since: float | None = None) -> Iterator[EventInfo]:
        """What happens from now on (or since a time, in seconds since the epoch), without end."""
        return self._backend.events(since)

    def info(self) -> dict[str, Any]:
        """Facts about the engine."""
        return self._backend.info()

    def _own(self, container_id: str) -> None:
        with self._lock:
            self._owned.append(container_id)

    def _remove(self, container_id: str) -> None:
        with self._lock:
            if container_id in self._owned:
                self._owned.remove(container_id)
        with contextlib.suppress(NotFound, Conflict):
            self._backend.remove(container_id, force=True, volumes=True)

    def close(self) -> None:
        """Remove the containers that were made through this object, and let go of the engine. Idempotent."""
        for container_id in list(self._owned):
            self._remove(container_id)
        self._backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _waiter(ended: Future[int]) -> Callable[[float | None], int | None]:
    def wait(timeout: float | None) -> int | None:
        try:
            return ended.result(timeout)
        except FutureTimeout:
            return None

    return wait


def _blocks(archive: str | os.PathLike[str] | Iterable[bytes]) -> Iterable[bytes]:
    if isinstance(archive, bytes):
        return [archive]
    if not isinstance(archive, str | os.PathLike):
        return archive
    return _file_blocks(archive)


def _file_blocks(path: str | os.PathLike[str]) -> Iterator[bytes]:
    with open(path, "rb") as file:
        yield from _pieces(file)


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(1 << 20):
        yield block
