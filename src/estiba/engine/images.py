"""Images as users see them: the store's, with events and with the containers that use them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from estiba.engine.events import Event, EventJournal, prune_event
from estiba.engine.state import Running
from estiba.errors import NotFound, Unsupported
from estiba.images.making import parse_platform
from estiba.images.progress import Progress, Report, silent
from estiba.images.store import ContainerUse, ImageStore, Pruned

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from threading import Event as Cancel

    from estiba.engine.filters import Filters
    from estiba.engine.ports import Snapshots
    from estiba.engine.records import ContainerRecords
    from estiba.images.compression import Readable, Writable
    from estiba.images.store import HistoryEntry, Image, Removal

EMBEDDED = ("hello", "host")


class Images:
    """The images of one engine."""

    def __init__(
        self, *, store: ImageStore, snapshots: Snapshots, records: ContainerRecords, journal: EventJournal
    ) -> None:
        self.store = store
        self._snapshots = snapshots
        self._records = records
        self._journal = journal
        self.find = store.find
        self.get = store.get
        self.shared_sizes = store.shared_sizes
        self.layers_size = store.layers_size

    def list(self, *, all_images: bool = False, filters: Filters | None = None) -> list[Image]:
        """Newest first; without all_images only those that have a name or no child."""
        return self.store.list(everything=all_images, filters=filters)

    def history(self, name: str) -> Sequence[HistoryEntry]:
        """The steps that made an image, newest first. Raises NotFound."""
        return self.store.history(name)

    def tagged_at(self, image: Image) -> int:
        """When it last got a name, ns since the epoch; 0 if never."""
        return image.tagged_ns

    def storage(self, image: Image) -> dict[str, str]:
        """Where its layers are, by Docker's names."""
        directories = [
            option.partition("=")[2]
            for mount in self._snapshots.view(image.chain_ids)[:1]
            for option in mount.options or []
            if option.startswith("lowerdir") and not option.endswith("/empty")
        ]
        if not directories:
            return {}
        place = directories[0].removesuffix("/diff")
        lower = {"LowerDir": ":".join(directories[1:])} if len(directories) > 1 else {}
        return {**lower, "MergedDir": f"{place}/merged", "UpperDir": directories[0], "WorkDir": f"{place}/work"}

    def for_platform(self, name: str, platform: str) -> Image:
        """As `get`, for a platform; raises NotFound when the image is for another one."""
        image = self.store.get(name)
        if platform:
            wanted = parse_platform(platform)
            actual = (image.config.os or "linux", image.config.architecture)
            if wanted is not None and wanted[:2] != actual:
                raise NotFound(
                    f"image with reference {name} was found but its platform ({'/'.join(actual)}) does not match the "
                    f"specified platform ({platform})"
                )
        return image

    def with_children(self, name: str) -> frozenset[str]:
        """The ids of an image and of all that were made from it; empty when there is none (`ancestor` filters)."""
        image = self.store.find(name)
        found: set[str] = set()
        pending = [image.id] if image is not None else []
        while pending:
            identity = pending.pop()
            if identity not in found:
                found.add(identity)
                pending += [child.id for child in self.store.children(identity)]
        return frozenset(found)

    def tag(self, name: str, repository: str, tag: str = "") -> None:
        """Give a further name."""
        image, shown = self.store.tag(name, repository, tag)
        self.tell("tag", image.id, shown)

    def remove(self, name: str, *, force: bool = False, prune: bool = True) -> Sequence[Removal]:
        """Remove a name, and with the last one the image. Raises NotFound, Conflict."""
        removals = self.store.remove(name, force=force, prune=prune, in_use=self.in_use)
        self._tell_removals(removals)
        return removals

    def prune(self, filters: Filters) -> Pruned:
        """Remove unused images: the dangling ones, or with dangling=false all."""
        pruned = self.store.prune(filters, in_use=self.in_use)
        self._tell_removals(pruned.removals)
        self._journal.publish(prune_event("image", pruned.reclaimed))
        return pruned

    def load(
        self,
        source: Readable,
        report: Report = silent,
        cancel: Cancel | None = None,
        *,
        quiet: bool = False,
        platform: str = "",
    ) -> None:
        """Take the images of an archive; tells what was loaded, and unless quiet how it goes on."""

        def told(progress: Progress) -> None:
            if progress.stream or not quiet:
                report(progress)

        for image in dict.fromkeys(loaded.image for loaded in self.store.load(source, told, cancel, platform)):
            self.tell("load", image, image)

    def save_check(self, names: Sequence[str], platform: str = "") -> None:
        """Raises what `save` would, and NotFound for an image of another platform."""
        self.store.save_check(names)
        for name in names if platform else ():
            try:
                self.for_platform(name, platform)
            except NotFound:
                raise NotFound(f"no suitable export target found for platform {platform}") from None

    def save(self, names: Sequence[str], out: Writable, cancel: Cancel | None = None) -> None:
        """Write an archive of images. Raises NotFound, Unsupported (the host image)."""
        for image in self.store.save(names, out.write, cancel):
            self.tell("save", image.id, image.id)

    def import_archive(
        self,
        source: Readable,
        *,
        reference: str = "",
        changes: Iterable[str] = (),
        message: str = "",
        platform: str = "",
        report: Report = silent,
        cancel: Cancel | None = None,
    ) -> Image:
        """Make an image of an archive of files."""
        image = self.store.import_archive(
            source,
            reference=reference,
            changes=changes,
            message=message,
            platform=platform,
            report=report,
            cancel=cancel,
        )
        if image.references:
            self.tell("tag", image.id, image.references[0])
        self.tell("import", image.id, image.id)
        return image

    def from_host(self, programs: Sequence[str], reference: str = "", report: Report = silent) -> Image:
        """Make a minimal image of programs of this machine and what they load."""
        image = self.store.from_host(programs, reference=reference, report=report)
        if image.references:
            self.tell("tag", image.id, image.references[0])
        return image

    def pull(self, name: str, tag: str = "") -> None:
        """Raises Unsupported: there is no way to a registry yet. `hello` and `host` are made instead."""
        if name.removeprefix("docker.io/library/") in EMBEDDED:
            self.store.get(name)
            return
        raise Unsupported(
            f"cannot pull {name}{':' + tag if tag else ''}: registries are not supported yet; bring the image with "
            "`docker load` or `docker import`, or use the images `hello` and `host`, which need no download"
        )

    def in_use(self, identity: str) -> Sequence[ContainerUse]:
        """The containers that were made from an image, or mount it."""
        return [
            ContainerUse(container.id, running=isinstance(container.state, Running))
            for container in self._records.all()
            if container.image == identity
            or any(mount.type == "image" and self._names(mount.source, identity) for mount in container.mounts)
        ]

    def _names(self, name: str, identity: str) -> bool:
        found = self.store.find(name)
        return found is not None and found.id == identity

    def _tell_removals(self, removals: Iterable[Removal]) -> None:
        for removal in removals:
            if removal.untagged:
                self.tell("untag", removal.image, removal.image)
            elif removal.is_image:
                self.tell("delete", removal.deleted, removal.deleted)

    def tell(self, action: str, identity: str, name: str) -> None:
        """Publish an event of an image, with its labels."""
        image = self.store.find(identity) if action != "delete" else None
        labels = dict(image.config.defaults.labels or {}) if image is not None else {}
        self._journal.publish(Event(type="image", action=action, id=identity, attributes={"name": name, **labels}))
