"""Layers of an archive, unpacked on trial while they come in, and put under their chain id when the image is known."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from estiba.errors import InvalidArgument
from estiba.images.compression import decompressed
from estiba.images.copyup import copy_attributes
from estiba.images.layering import unpack_layer
from estiba.images.unpack import apply_layer
from estiba.linux.directories import OPEN_DIRECTORY
from estiba.oci import digest as digests
from estiba.oci.digest import chain_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from estiba.images.blobs import Blob, BlobStore
    from estiba.images.compression import Readable
    from estiba.images.unpack import UnpackResult
    from estiba.snapshots.layers import Layers, StagedLayer


class Staged:
    """A layer's files in a directory that has no name yet."""

    def __init__(self, layer: StagedLayer, result: UnpackResult) -> None:
        self._layer = layer
        self._result = result

    @property
    def diff_id(self) -> str:
        """sha256 of the uncompressed archive."""
        return self._result.diff_id

    @property
    def blob_digest(self) -> str:
        """sha256 of the blob, "" where it was not asked for."""
        return self._result.blob_digest

    @property
    def independent(self) -> bool:
        """Whether it would be the same on every stack."""
        return self._result.independent

    def publish(self, layers: Layers, key: str, parent: str | None) -> None:
        """Make it the layer `key`."""
        if parent is not None and not self._result.root_listed:
            below = os.open(layers.directory(parent), OPEN_DIRECTORY)
            try:
                found = copy_attributes(below, self._layer.descriptor)
                os.utime(self._layer.descriptor, ns=(found.st_mtime_ns, found.st_mtime_ns))
            finally:
                os.close(below)
        self._layer.publish(key, parent=parent)

    def discard(self) -> None:
        """Remove it, unless it was published; idempotent."""
        self._layer.discard()


class LayerBuilder:
    """Puts layers into the store."""

    def __init__(self, layers: Layers, blobs: BlobStore) -> None:
        self._layers = layers
        self._blobs = blobs

    def stage(self, stream: Readable, *, hash_blob: bool) -> Staged | None:
        """Unpack what looks like a layer; None when it is none, or cannot be unpacked without the layers below.

        Raises:
            Unavailable: no space; and what reading raises. A bad archive is no error yet: nobody may want it.
        """
        layer = self._layers.stage()
        try:
            result = apply_layer(stream, layer.descriptor, hash_blob=hash_blob)
        except InvalidArgument:
            layer.discard()
            return None
        except BaseException:
            layer.discard()
            raise
        layer.size = result.size
        return Staged(layer, result)

    def install(self, diff_ids: Sequence[str], position: int, blob: Blob, staged: Staged | None) -> None:
        """See to it that the layer at `position` is there, from `staged` or else from its blob.

        Raises:
            InvalidArgument: the blob has not the content that the configuration says; a bad archive. Unavailable.
        """
        chain = chain_ids(list(diff_ids[: position + 1]))
        parent = chain[-2] if position else None
        try:
            if staged is not None and staged.diff_id != diff_ids[position]:
                raise wrong_content(position, diff_ids[position], staged.diff_id)
            if self._layers.has(chain[-1]):
                if staged is None:
                    self._verify(blob, position, diff_ids[position])
                return
            if staged is not None and (staged.independent or parent is None):
                staged.publish(self._layers, chain[-1], parent)
                return
        finally:
            if staged is not None:
                staged.discard()
        unpack_layer(self._layers, diff_ids[: position + 1], lambda: self._blobs.open(blob.digest))

    def _verify(self, blob: Blob, position: int, diff_id: str) -> None:
        """That a blob which is not unpacked, because its layer is there, has that layer's content."""
        if blob.digest == diff_id:
            return
        computed = digests.hasher()
        with self._blobs.open(blob.digest) as file:
            for block in decompressed(file):
                computed.update(block)
        if f"sha256:{computed.hexdigest()}" != diff_id:
            raise wrong_content(position, diff_id, f"sha256:{computed.hexdigest()}")


def wrong_content(position: int, expected: str, actual: str) -> InvalidArgument:
    """Docker's error for a layer that is not what the image's configuration says."""
    return InvalidArgument(f'invalid diffID for layer {position}: expected "{expected}", got "{actual}"')
