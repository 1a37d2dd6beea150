"""Images go: `rmi` and prune, with Docker's rules about names, children and containers (moby daemon/images)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from estiba.errors import Conflict, NotFound
from estiba.images.collect import collect
from estiba.images.image import Filters, InUse, Pruned, Removal
from estiba.images.listing import PRUNE_FILTERS, check_filters, has_labels, truth, until_ns
from estiba.images.records import find_image, no_such_image
from estiba.oci import reference as references

if TYPE_CHECKING:
    from estiba.images.content import Content
    from estiba.images.image import Image
    from estiba.oci.reference import Reference


def remove(content: Content, name: str, *, force: bool, prune: bool, in_use: InUse) -> list[Removal]:
    """Remove a name, and with the last one the image, and with `prune` its nameless parents.

    Raises:
        NotFound: no such image. Conflict: a container uses it, or it has children or several names.
    """
    image = find_image(content.records, name)
    if image is None:
        raise no_such_image(name)
    with content.pins.lock:
        return _Remover(content, force, prune, in_use).run(image, name)


class _Remover:
    """One removal; the records change step by step as Docker's do."""

    def __init__(self, content: Content, force: bool, prune: bool, in_use: InUse) -> None:
        self._content = content
        self._records = content.records
        self._force = force
        self._prune = prune
        self._in_use = in_use
        self._done: list[Removal] = []

    def run(self, image: Image, name: str) -> list[Removal]:
        names = self._records.names(image.id)
        if not _is_id(image, name):
            if self._untag_one(image, name, names):
                return self._done
            self._delete(image, self._force, quiet=True)
        else:
            if is_single(names):
                self._refuse(image, references_too=False, stopped=not self._force)
                self._untag(image, names)
            self._delete(image, self._force, quiet=False)
        return self._done

    def _untag_one(self, image: Image, name: str, names: list[Reference]) -> bool:
        """Remove one name; True when others are left, so that the image stays."""
        if not self._force and is_single(names):
            users = self._in_use(image.id)
            if users:
                raise Conflict(
                    f'conflict: unable to remove repository reference "{name}" (must force) - container '
                    f"{users[0].id[:12]} is using its referenced image {image.short_id}"
                )
        reference = references.parse(name).with_default_tag()
        if reference.digest:
            reference = reference.with_digest(reference.digest)
        self._untag(image, [reference])
        left = [n for n in names if n != reference]
        if not reference.digest and not any(n.tag and n.name == reference.name for n in left):
            # digests of a repository that has no tag left say nothing to anybody
            orphans = [n for n in left if n.name == reference.name]
            self._untag(image, orphans)
            left = [n for n in left if n not in orphans]
        return bool(left)

    def _untag(self, image: Image, names: list[Reference]) -> None:
        self._records.untag(names)
        self._done += [Removal(untagged=name.familiar, image=image.id) for name in names]

    def _delete(self, image: Image, force: bool, *, quiet: bool) -> None:
        """Delete an image without names, then its parents that nobody needs."""
        following: Image | None = image
        while following is not None:
            image = following
            try:
                self._refuse(image, references_too=not force, stopped=not force)
            except Conflict:
                dangling = not self._records.names(image.id) and not self._records.children(image.id)
                if quiet and not (dangling and not self._in_use(image.id)):
                    return
                raise
            self._untag(image, self._records.names(image.id))
            self._forget(image)
            following = self._records.by_id(image.parent) if self._prune and image.parent else None
            force, quiet = False, True

    def _forget(self, image: Image) -> None:
        self._records.remove(image.id)
        self._done.append(Removal(deleted=image.id, image=image.id))
        layers, _ = collect(self._content)
        gone = {layer.key for layer in layers}
        self._done += [Removal(deleted=key, image=image.id) for key in reversed(image.chain_ids) if key in gone]

    def _refuse(self, image: Image, *, references_too: bool, stopped: bool) -> None:
        """Raises Conflict when something stands against deleting an image."""
        users = self._in_use(image.id)
        running = next((user for user in users if user.running), None)
        if self._records.children(image.id):
            raise self._conflict(image, "cannot be forced", "image has dependent child images")
        if running is not None:
            reason = f"image is being used by running container {running.id[:12]}"
            raise self._conflict(image, "cannot be forced", reason)
        if references_too and self._records.names(image.id):
            raise self._conflict(image, "must be forced", "image is referenced in multiple repositories")
        if stopped and users:
            reason = f"image is being used by stopped container {users[0].id[:12]}"
            raise self._conflict(image, "must be forced", reason)

    def _conflict(self, image: Image, force: str, reason: str) -> Conflict:
        return Conflict(f"conflict: unable to delete {image.short_id} ({force}) - {reason}")


def is_single(names: list[Reference]) -> bool:
    """Whether names are one: none, one, or one tag with digests of the same repository."""
    tags = [name for name in names if not name.digest]
    return len(tags) <= 1 and len({name.name for name in names}) <= 1


def _is_id(image: Image, name: str) -> bool:
    return image.id.startswith(name) or image.id.partition(":")[2].startswith(name)


def prune(content: Content, filters: Filters | None, in_use: InUse) -> Pruned:
    """Remove images that no container uses: those without a tag, with dangling=false all.

    Raises:
        InvalidArgument: a filter that there is not.
    """
    filters = filters or {}
    check_filters(filters, PRUNE_FILTERS)
    only_dangling = truth(filters, "dangling") is not False
    until = until_ns(filters)
    sizes = {layer.key: layer.size for layer in content.layers.list()}
    removals: list[Removal] = []
    for image in sorted(content.records.all(), key=lambda image: image.created_ns, reverse=True):
        unwanted = any(has_labels(image, [label]) for label in filters.get("label!", ()))
        if unwanted or not has_labels(image, filters.get("label", ())):
            continue
        if until is not None and image.created_ns > until:
            continue
        with content.records.together():
            *others, last = _prunable(content, image, only_dangling) or [""]
            removals += _untag(content, image, others)
            try:
                removals += remove(content, last, force=False, prune=True, in_use=in_use) if last else []
            except (Conflict, NotFound):
                continue  # in use, or gone with an earlier one
    return Pruned(tuple(removals), sum(sizes.get(removal.deleted, 0) for removal in removals))


def _untag(content: Content, image: Image, names: list[str]) -> list[Removal]:
    """All names but the last of an image go at once, whoever uses it: there may be thousands."""
    found = {references.parse(name).with_default_tag() for name in names}
    with content.pins.lock:
        there = [name for name in content.records.names(image.id) if name in found]
        content.records.untag(there)
    return [Removal(untagged=name.familiar, image=image.id) for name in there]


def _prunable(content: Content, image: Image, only_dangling: bool) -> list[str]:
    """What to remove of an image: its names, or its id."""
    names = content.records.names(image.id)
    if not names:
        return [] if content.records.children(image.id) else [image.id]
    if only_dangling and any(name.tag for name in names):
        return []
    return [name.familiar for name in names]
