"""The images of one root directory: what the engine, the builder and the library use.

Operations live in modules of their own; this is the door to them. Everything is thread-safe, every change durable when
a method returns, and what a crash leaves half-made is removed by reconcile() at the next start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from estiba.errors import InvalidArgument
from estiba.images import archive_load, archive_save, collect, listing, making, removal
from estiba.images.content import Content
from estiba.images.embedded import Embedded
from estiba.images.image import (
    ContainerUse,
    Filters,
    HistoryEntry,
    Image,
    InUse,
    Loaded,
    Pruned,
    Removal,
)
from estiba.images.progress import Report, silent
from estiba.images.records import find_image, no_such_image
from estiba.oci import reference as references

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path
    from threading import Event

    from estiba.images.compression import Readable
    from estiba.images.making import Recipe
    from estiba.oci.reference import Reference
    from estiba.snapshots.layers import Layers
    from estiba.store.database import Database

__all__ = [
    "ContainerUse",
    "Filters",
    "HistoryEntry",
    "Image",
    "ImageStore",
    "InUse",
    "Loaded",
    "Pruned",
    "Removal",
]


class ImageStore:
    """Images, their names, blobs and layers below one root directory."""

    def __init__(self, root: Path, database: Database, layers: Layers) -> None:
        self._content = Content(root, database, layers)
        self._embedded = Embedded(self._content)

    # looking

    def find(self, name: str) -> Image | None:
        """The image that a name, an id or an unambiguous beginning of an id means, None when there is none.

        Raises:
            InvalidArgument: it can be neither, in Docker's words.
        """
        return find_image(self._content.records, name)

    def get(self, name: str) -> Image:
        """The same; `hello` and `host`, which every engine has, are made at the first need.

        Raises:
            NotFound: No such image. InvalidArgument.
        """
        image = self.find(name)
        if image is not None:
            return self._embedded.refreshed(image)
        image = self._embedded.make(name)
        if image is None:
            raise no_such_image(name)
        return image

    def list(self, *, everything: bool = False, filters: Filters | None = None) -> list[Image]:
        """Images, newest first, by the filters before, since, until, dangling, label and reference.

        everything: also the nameless ones that others were committed from.

        Raises:
            InvalidArgument: no such filter, or a bad value. NotFound: before or since names no image.
        """
        return listing.list_images(self._content.records, everything=everything, filters=filters)

    def history(self, name: str) -> builtins.list[HistoryEntry]:
        """The steps of an image, newest first. Raises NotFound."""
        return listing.history(self._content, self.get(name))

    def children(self, identity: str) -> builtins.list[Image]:
        """The images committed from an image."""
        return self._content.records.children(identity)

    def shared_sizes(self, images: Sequence[Image]) -> dict[str, int]:
        """Id → bytes of the image's layers that other images have too."""
        return listing.shared_sizes(self._content, images)

    def layers_size(self) -> int:
        """Bytes of all layers that images have, each once."""
        keys = {key for image in self._content.records.all() for key in image.chain_ids}
        return self._content.stack_size(keys)

    def blobs_size(self) -> int:
        """Bytes of all blobs."""
        return sum(self._content.blobs.size(digest) for digest in self._content.blobs.list())

    # naming and removing

    def tag(self, name: str, repository: str, tag: str = "") -> tuple[Image, str]:
        """Give an image a further name. Returns the image and the name as people write it.

        Raises:
            NotFound: no such image. InvalidArgument: no such name is possible.
        """
        reference = parse_target(repository, tag)
        with self._content.working():
            image = self.get(name)
            self._content.records.retag(image.id, reference)
        return self._content.records.by_id(image.id) or image, reference.familiar

    def remove(self, name: str, *, force: bool = False, prune: bool = True, in_use: InUse) -> builtins.list[Removal]:
        """Remove a name, and with the last one the image; with `prune` also its nameless parents.

        Raises:
            NotFound: no such image. Conflict: in use, or other images or names depend on it.
        """
        return removal.remove(self._content, name, force=force, prune=prune, in_use=in_use)

    def prune(self, filters: Filters | None = None, *, in_use: InUse) -> Pruned:
        """Remove unused images: by default the dangling ones; filters dangling, label, label!, until."""
        return removal.prune(self._content, filters, in_use)

    # archives

    def load(
        self, stream: Readable, report: Report = silent, cancel: Event | None = None, platform: str = ""
    ) -> builtins.list[Loaded]:
        """Take the images of an archive: Docker's (old and new), an OCI layout; compressed or not; from any stream.

        Raises:
            InvalidArgument: no archive, a hostile or damaged one. Unavailable: no space. Cancelled.
        """
        return archive_load.load(self._content, stream, report, cancel, platform)

    def save_check(self, names: Sequence[str]) -> builtins.list[Image]:
        """The images that save() would write. Raises NotFound, Unsupported (the host image), InvalidArgument."""
        return [chosen.image for chosen in self._select(names)]

    def save(
        self, names: Sequence[str], write: Callable[[bytes | memoryview], object], cancel: Event | None = None
    ) -> builtins.list[Image]:
        """Write an archive of images to `write`; what was written.

        Raises:
            NotFound, Unsupported, InvalidArgument, Cancelled; what `write` raises.
        """
        with self._content.working() as hold:
            selected = self._select(names)
            for chosen in selected:
                self._content.rely_on(chosen.image, hold)
            archive_save.save(self._content, selected, write, cancel)
        return [chosen.image for chosen in selected]

    def _select(self, names: Sequence[str]) -> builtins.list[archive_save.Selected]:
        for name in names:
            if self.find(name) is None:
                self._embedded.make(name)
        return archive_save.select(self._content.records, names)

    def import_archive(
        self,
        stream: Readable,
        *,
        reference: str = "",
        changes: Iterable[str] = (),
        message: str = "",
        platform: str = "",
        report: Report = silent,
        cancel: Event | None = None,
    ) -> Image:
        """Make an image of a file tree's archive; reference names it ("" leaves it nameless).

        Raises:
            InvalidArgument: a bad name, change, platform or archive. Unavailable: no space. Cancelled.
        """
        names = [parse_target(reference)] if reference else []
        return making.import_archive(
            self._content,
            stream,
            names=names,
            changes=changes,
            message=message,
            platform=platform,
            report=report,
            cancel=cancel,
        )

    def commit(self, layer: Readable, recipe: Recipe, *, reference: str = "", cancel: Event | None = None) -> Image:
        """Make an image of a container: `layer` is the archive of what it changed (all of it without a parent).

        Raises:
            InvalidArgument: a bad name or archive. Unavailable: no space. Cancelled.
        """
        names = [parse_target(reference)] if reference else []
        return making.make(self._content, layer, recipe, names, cancel=cancel)

    def from_host(
        self, programs: Sequence[str], *, reference: str = "", report: Report = silent, cancel: Event | None = None
    ) -> Image:
        """Make an image of programs of this machine and all that they load; its command is the first one.

        Raises:
            NotFound: no such program. InvalidArgument: a bad name, or none. Unavailable: no space. Cancelled.
        """
        from estiba.images.from_host import from_host

        names = [parse_target(reference)] if reference else []
        return from_host(self._content, programs, names, report, cancel)

    # life

    def reconcile(self) -> None:
        """At start, before anything else is done: remove what a crash left, bring index.json up to date."""
        collect.sweep(self._content)
        self._content.publish()


def parse_target(repository: str, tag: str = "") -> Reference:
    """A name that an image can be given. Raises InvalidArgument."""
    reference = references.parse_tagged(repository, tag)
    if reference.familiar_name == "sha256":
        raise InvalidArgument("refusing to create an ambiguous tag using digest algorithm as name")
    return reference
