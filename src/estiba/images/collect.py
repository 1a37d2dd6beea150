"""What no image refers to any more goes: blobs at once, layers into the trash."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from estiba.images.content import Content
    from estiba.images.image import Image
    from estiba.snapshots.layers import Layer


def collect(content: Content, candidates: Iterable[str] | None = None) -> tuple[tuple[Layer, ...], int]:
    """Remove layers and blobs that neither an image nor work under way needs.

    Args:
        candidates: the only blobs to be considered; None: all of them.

    Returns:
        the layers removed, and the bytes of the blobs.
    """
    with content.pins.lock:
        images = content.records.all()
        if content.records.broken():
            return (), 0  # nobody knows what those need
        removed = content.layers.collect({key for image in images for key in image.chain_ids})
        needed = content.pins.held().union(*map(blobs_of, images))
        unneeded = set(content.blobs.list() if candidates is None else candidates) - needed
        return removed, content.blobs.remove(unneeded)


def blobs_of(image: Image) -> set[str]:
    """The digests of an image's blobs."""
    return {image.id, *(layer.digest for layer in image.layers)} | ({image.manifest} if image.manifest else set())


def sweep(content: Content) -> None:
    """At start: what a crash left behind."""
    for name in os.listdir(content.blobs.temporary):
        if name.startswith("blob-"):
            with suppress(OSError):
                os.unlink(content.blobs.temporary / name)
    collect(content)
