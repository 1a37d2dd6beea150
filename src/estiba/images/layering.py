"""Blobs become layers: unpacked once under their chain id, verified against the image's config."""

from __future__ import annotations

from typing import TYPE_CHECKING

from estiba.errors import InvalidArgument
from estiba.images.unpack import DEFAULT_LIMITS, apply_layer
from estiba.oci.digest import chain_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import BinaryIO

    from estiba.images.extract import Limits
    from estiba.snapshots.layers import Layer, Layers, NewLayer


def unpack_layer(
    layers: Layers,
    diff_ids: Sequence[str],
    open_blob: Callable[[], BinaryIO],
    *,
    limits: Limits = DEFAULT_LIMITS,
    report: Callable[[int], None] | None = None,
) -> Layer:
    """The last of the layers `diff_ids` (bottom first), unpacked from its blob unless it is there already.

    The layers below have to be there. Call `layers.sync()` before recording what refers to it.

    Args:
        open_blob: opens the layer's verified blob, in any compression; only called when it is needed.
        report: called with the bytes of the blob consumed so far; what it raises ends the work and leaves nothing.

    Raises:
        InvalidArgument: the archive is damaged or hostile, or its content is not what the diff id says.
        Unavailable: no space.
    """
    keys = chain_ids(list(diff_ids))
    parent = keys[-2] if len(keys) > 1 else None

    def fill(new: NewLayer, lower: int | None) -> None:
        with open_blob() as stream:
            result = apply_layer(stream, new.descriptor, lower=lower, limits=limits, hash_blob=False, report=report)
        if result.diff_id != diff_ids[-1]:
            raise InvalidArgument(
                f"layers from manifest don't match image configuration: layer {diff_ids[-1]} has the content of "
                f"{result.diff_id}"
            )
        new.size = result.size

    return layers.ensure(keys[-1], parent, fill)
