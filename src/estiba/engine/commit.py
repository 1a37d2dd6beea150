"""An image made of what a container changed."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import msgspec

from estiba.engine.container_events import container_event
from estiba.engine.state import Container, Removing, Running
from estiba.errors import Conflict, EstibaError, InvalidArgument, NotFound
from estiba.images.changes import apply_changes
from estiba.images.making import Recipe
from estiba.images.pack import pack_tree, pack_upper
from estiba.oci.image import Defaults, Healthcheck

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Iterable, Iterator

    from estiba.engine.config import ContainerConfig
    from estiba.engine.files import ContainerFiles
    from estiba.engine.images import Images
    from estiba.engine.ports import Snapshots
    from estiba.engine.records import ContainerRecords
    from estiba.engine.signalling import Signalling
    from estiba.images.compression import Readable
    from estiba.images.store import Image

    Write = Callable[[bytes | memoryview], object]


class Committer:
    """Commits containers."""

    def __init__(
        self,
        *,
        records: ContainerRecords,
        images: Images,
        snapshots: Snapshots,
        files: ContainerFiles,
        signalling: Signalling,
    ) -> None:
        self._records = records
        self._images = images
        self._snapshots = snapshots
        self._files = files
        self._signalling = signalling

    def commit(
        self,
        reference: str,
        *,
        repository: str = "",
        tag: str = "",
        author: str = "",
        comment: str = "",
        changes: Iterable[str] = (),
        pause: bool = True,
        config: ContainerConfig | None = None,
    ) -> str:
        """Make an image of a container, which is paused meanwhile if it runs; returns the image's id.

        Raises NotFound, InvalidArgument (a name, a change), Unavailable (no space).
        """
        if not reference:
            raise InvalidArgument('invalid name or ID supplied: ""')
        container = self._records.get(reference)
        if isinstance(container.state, Removing):
            raise Conflict(f"You cannot commit container {container.id} which is being removed")
        name = f"{repository}:{tag}" if repository and tag else repository
        recipe = Recipe(
            defaults=apply_changes(_defaults(_with_labels_of(container, config)), changes),
            parent=self._parent(container),
            author=author,
            comment=comment,
            created_by=" ".join([container.path, *container.args]),
            container=container.id,
        )
        with self._paused(container, pause), self._content(container, recipe.parent) as layer:
            image = self._images.store.commit(layer, recipe, reference=name)
            self._images.tell("create", image.id, image.id)
            if name:
                self._images.tell("tag", image.id, image.references[0] if image.references else name)
            attributes = {"comment": comment, "imageID": image.id, "imageRef": name}
            self._records.tell(container_event(container, "commit", attributes))
        return image.id

    def _parent(self, container: Container) -> Image | None:
        """The container's image; None for the host image, whose content is not kept in blobs: all is written then."""
        try:
            image = self._images.get(container.image)
        except NotFound:
            return None
        return image if image.manifest else None

    @contextmanager
    def _paused(self, container: Container, wanted: bool) -> Iterator[None]:
        running = isinstance(container.state, Running) and not container.state.paused
        if not (wanted and running):
            yield
            return
        self._signalling.pause(container.id, held=True)
        try:
            yield
        finally:
            with suppress(EstibaError):  # somebody ended it, or let it go on, meanwhile
                self._signalling.unpause(container.id)

    @contextmanager
    def _content(self, container: Container, parent: Image | None) -> Iterator[Readable]:
        if parent is None:
            with (
                self._files.root(container, volumes=False) as root,
                piped(lambda out: pack_tree(root, out)) as tar,
            ):
                yield tar
        else:
            with self._snapshots.upper(container.id) as upper, piped(lambda out: pack_upper(upper, out)) as tar:
                yield tar


@contextmanager
def piped(produce: Callable[[Write], object]) -> Iterator[Readable]:
    """What a function writes, as a stream to read; it runs in a thread of its own, whose error is raised at the end."""
    reading, writing = os.pipe2(os.O_CLOEXEC)
    errors: list[BaseException] = []

    def run() -> None:
        try:
            with open(writing, "wb", buffering=1 << 18) as out:
                produce(out.write)
        except BrokenPipeError:
            pass  # the reader had enough
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="estiba-pack")
    thread.start()
    try:
        with open(reading, "rb", buffering=0) as stream:
            yield _Checked(stream, errors, thread)
    finally:
        thread.join()
    if errors:
        raise errors[0]


class _Checked:
    """A pipe whose end is believed only if its writer did not fail."""

    def __init__(self, stream: io.FileIO, errors: list[BaseException], thread: threading.Thread) -> None:
        self._stream = stream
        self._errors = errors
        self._thread = thread

    def read(self, size: int, /) -> bytes:
        data = self._stream.read(size)
        if not data:
            self._thread.join()
            if self._errors:
                raise self._errors[0]
        return data or b""


def _with_labels_of(container: Container, config: ContainerConfig | None) -> ContainerConfig:
    """The configuration to commit; one that the request brings gets the labels that it lacks."""
    if config is None:
        return container.config
    labels = {**(container.config.labels or {}), **(config.labels or {})}
    return msgspec.structs.replace(config, labels=labels or None)


def _defaults(config: ContainerConfig) -> Defaults:
    check = config.healthcheck
    return Defaults(
        user=config.user,
        exposed_ports=config.exposed_ports or None,
        env=config.env,
        entrypoint=config.entrypoint or None,
        cmd=config.cmd,
        volumes=config.volumes or None,
        working_dir=config.working_dir,
        labels=config.labels or None,
        stop_signal=config.stop_signal,
        healthcheck=None
        if check is None
        else Healthcheck(
            test=check.test,
            interval=check.interval,
            timeout=check.timeout,
            start_period=check.start_period,
            start_interval=check.start_interval,
            retries=check.retries,
        ),
        on_build=config.on_build,
        shell=config.shell,
    )
