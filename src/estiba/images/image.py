"""Images as values, and what operations on them answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from estiba.errors import InvalidArgument
from estiba.images.durations import parse_time

if TYPE_CHECKING:
    from estiba.oci.image import ImageConfig
    from estiba.oci.manifest import Descriptor

Filters: TypeAlias = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Image:
    """An image that is there.

    Attributes:
        id: digest of its configuration.
        config: the configuration, as read from its blob.
        references: its names with tags as people write them ("x:1"), sorted by the full name.
        digests: its names with manifest digests ("x@sha256:…").
        chain_ids: its layers, bottom first, as the snapshots name them.
        manifest: digest of its manifest; "" for the host image, whose layers aren't blobs.
        layers: the manifest's descriptors of the layers, bottom first.
        size: bytes of the files in its layers.
        parent: id of the image that it was committed from, if that is still known; "".
        tagged_ns: when it last got a name, 0 if never.
    """

    id: str
    config: ImageConfig
    references: tuple[str, ...]
    digests: tuple[str, ...]
    chain_ids: tuple[str, ...]
    manifest: str
    layers: tuple[Descriptor, ...]
    size: int
    parent: str = ""
    tagged_ns: int = 0

    @property
    def created(self) -> str:
        """RFC 3339 as stored in the configuration, "" where there is none."""
        return self.config.created or ""

    @cached_property
    def created_ns(self) -> int:
        """Nanoseconds since 1970; Go's zero time for images that don't say."""
        try:
            return parse_time(self.created or "0001-01-01T00:00:00Z")
        except InvalidArgument:
            return parse_time("0001-01-01T00:00:00Z")

    @property
    def comment(self) -> str:
        """The configuration's comment, or that of the last step of its history."""
        history = self.config.history
        return self.config.comment or (history[-1].comment if history else "")

    @property
    def short_id(self) -> str:
        """Twelve digits, as messages show it."""
        return self.id.partition(":")[2][:12]


@dataclass(frozen=True)
class HistoryEntry:
    """A step of an image's history, with the id of the image it ended in where that is known ("<missing>")."""

    id: str
    created: str
    created_by: str
    comment: str
    size: int
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Removal:
    """One line of what a removal did: exactly one of the two is not "".

    Attributes:
        untagged: a reference that is gone.
        deleted: id of an image, or chain id of a layer, that is gone.
        image: id of the image that it was about.
    """

    untagged: str = ""
    deleted: str = ""
    image: str = ""

    @property
    def is_image(self) -> bool:
        """Whether an image itself was deleted, not a layer of it."""
        return self.deleted != "" and self.deleted == self.image


@dataclass(frozen=True)
class Pruned:
    """What a prune removed, and the bytes of the layers that are gone (as Docker counts: without the blobs)."""

    removals: tuple[Removal, ...]
    reclaimed: int


@dataclass(frozen=True)
class Loaded:
    """An image that an archive brought, once for each of its names (reference is "" when it has none)."""

    image: str
    reference: str = ""


@dataclass(frozen=True)
class ContainerUse:
    """A container that was made from an image, or mounts it."""

    id: str
    running: bool


InUse: TypeAlias = Callable[[str], Sequence[ContainerUse]]
"""Given an image's id, the containers that use it."""
