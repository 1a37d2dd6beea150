"""The library for asyncio: the same engine, the same names, `await` before what takes time.

    async with estiba.aio.Engine() as engine:
        print((await engine.run("hello")).stdout)

Every call goes to the blocking face in a thread; ends of containers are awaited without one.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self, TypeVar

from estiba.client import engines, library

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
    from types import TracebackType
    from typing import Unpack

    from estiba.client.backend import ContainerInfo, EventInfo
    from estiba.client.library import Completed, EngineFace
    from estiba.client.options import Command, Options
    from estiba.client.process import Output
    from estiba.client.process import Process as BlockingProcess

_T = TypeVar("_T")
_END: Any = object()


async def _each(items: Iterator[_T]) -> AsyncIterator[_T]:
    while (item := await asyncio.to_thread(next, items, _END)) is not _END:
        yield item


class Lines:
    """An output: `async for line in …`, or `await read()`."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def __aiter__(self) -> AsyncIterator[str]:
        return _each(iter(self._output))

    async def read(self) -> str:
        """Everything up to the end."""
        return await asyncio.to_thread(self._output.read)


class Process:
    """A program with its streams."""

    def __init__(self, process: BlockingProcess) -> None:
        self._process = process
        self.stdout = Lines(process.stdout)
        self.stderr = Lines(process.stderr)

    @property
    def returncode(self) -> int | None:
        """Its exit code, once it was waited for."""
        return self._process.returncode

    async def write(self, data: str | bytes) -> None:
        """Send to its stdin, which must have been opened."""
        if self._process.stdin is not None:
            await asyncio.to_thread(self._process.stdin.write, data)

    async def close_stdin(self) -> None:
        """End of file."""
        if self._process.stdin is not None:
            self._process.stdin.close()

    async def wait(self, timeout: float | None = None) -> int:
        """Its exit code. Raises Timeout."""
        return await asyncio.to_thread(self._process.wait, timeout)

    async def kill(self, signal: str = "KILL") -> None:
        """Send it a signal."""
        await asyncio.to_thread(self._process.kill, signal)

    async def communicate(self, data: str | bytes | None = None) -> tuple[bytes, bytes]:
        """Send data and end of file, read both outputs, wait."""
        return await asyncio.to_thread(self._process.communicate, data)

    async def close(self) -> None:
        """Let go of it, and of what was made for it."""
        await asyncio.to_thread(self._process.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


class Container:
    """A container's handle."""

    def __init__(self, container: library.Container) -> None:
        self._container = container
        self.id = container.id

    async def info(self) -> ContainerInfo:
        """How it is now."""
        return await asyncio.to_thread(self._container.info)

    async def start(self) -> None:
        """Run it."""
        await asyncio.to_thread(self._container.start)

    async def wait(self, timeout: float | None = None) -> int:
        """Its exit code, when it does not run any more. Raises TimeoutError."""
        return await asyncio.wait_for(asyncio.wrap_future(self._container.ended()), timeout)

    async def stop(self, timeout: int | None = None) -> None:
        """Ask it to end, and kill it after a while."""
        await asyncio.to_thread(self._container.stop, timeout)

    async def kill(self, signal: str = "KILL") -> None:
        """Send a signal to its first process."""
        await asyncio.to_thread(self._container.kill, signal)

    async def remove(self, *, force: bool = False, volumes: bool = False) -> None:
        """Remove it."""
        await asyncio.to_thread(self._container.remove, force=force, volumes=volumes)

    async def exec(self, command: Command, **options: Any) -> Completed:
        """Run one more process in it and wait for its end."""
        return await asyncio.to_thread(self._container.exec, command, **options)

    async def popen(self, command: Command, **options: Any) -> Process:
        """One more process in it, with its streams."""
        return Process(await asyncio.to_thread(self._container.popen, command, **options))

    async def logs(self, *, tail: int = -1) -> str:
        """What it wrote to stdout so far."""

        def read() -> str:
            with self._container.logs(tail=tail) as logs:
                return logs.read()

        return await asyncio.to_thread(read)


class Engine:
    """An engine; its arguments are those of estiba.Engine. Opened by `async with`."""

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        *,
        run: str | os.PathLike[str] | None = None,
        serve: bool | str = False,
    ) -> None:
        self._open: Callable[[], EngineFace] = lambda: engines.Engine(root, run=run, serve=serve)
        self._engine: EngineFace | None = None

    @property
    def blocking(self) -> EngineFace:
        """The same engine's blocking face, for what is not here."""
        if self._engine is None:
            raise RuntimeError("use `async with` to open the engine")
        return self._engine

    async def run(self, image: str, command: Command = None, **options: Any) -> Completed:
        """Run a program in a new container, wait for its end, remove the container."""
        return await asyncio.to_thread(self.blocking.run, image, command, **options)

    async def popen(self, image: str, command: Command = None, **options: Unpack[Options]) -> Process:
        """Run a program in a new container, with its streams; closing the process removes the container."""
        return Process(await asyncio.to_thread(self.blocking.popen, image, command, **options))

    async def start(self, image: str, command: Command = None, **options: Unpack[Options]) -> Container:
        """Run a program in a new container, in the background."""
        return Container(await asyncio.to_thread(self.blocking.start, image, command, **options))

    async def create(self, image: str, command: Command = None, **options: Unpack[Options]) -> Container:
        """Make a container; nothing runs yet."""
        return Container(await asyncio.to_thread(self.blocking.containers.create, image, command, **options))

    async def get(self, reference: str) -> Container:
        """A container by name or id. Raises NotFound."""
        return Container(await asyncio.to_thread(self.blocking.containers.get, reference))

    async def list(
        self, *, everything: bool = False, filters: Mapping[str, Sequence[str]] | None = None
    ) -> Sequence[Container]:
        """Containers, newest first."""
        found = await asyncio.to_thread(self.blocking.containers.list, everything=everything, filters=filters)
        return [Container(container) for container in found]

    def events(self, since: float | None = None) -> AsyncIterator[EventInfo]:
        """What happens, without end."""
        return _each(self.blocking.events(since))

    async def __aenter__(self) -> Self:
        self._engine = await asyncio.to_thread(self._open)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            await asyncio.to_thread(engine.close)


def connect(host: str = "unix:///run/estiba.sock") -> Engine:
    """An engine at a socket, for `async with`."""
    engine = Engine()
    engine._open = lambda: engines.connect(host)
    return engine
