"""Docker's archives from before 1.10: a directory for every layer, its json naming the parent; `repositories` the tags.

The image's configuration is made from the layer's json, as Docker does it (moby image/v1): the keys that are gone are
left out, rootfs and history added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from estiba.errors import InvalidArgument
from estiba.oci import image as images
from estiba.oci import reference as references
from estiba.oci.image import History
from estiba.oci.manifest import decode
from estiba.snapshots.assemble import MOST_LAYERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from estiba.images.blobs import Blob, BlobStore
    from estiba.images.spool import Spool
    from estiba.oci.image import ImageConfig
    from estiba.oci.reference import Reference

    Old = tuple[Blob, ImageConfig, tuple[Blob, ...], tuple[Reference, ...], str]

_DROPPED = ("id", "parent", "Size", "parent_id", "layer_id", "throwaway")


class _Layer(msgspec.Struct, frozen=True):
    """What matters in a layer's json."""

    parent: str = ""
    created: str | None = None
    author: str = ""
    comment: str = ""
    container_config: dict[str, Any] | None = None


def read(spool: Spool, blobs: BlobStore) -> Iterator[Old]:
    """(config, config as read, layers, names, parent) of every image that `repositories` names."""
    tags = decode(dict[str, dict[str, str]], spool.document("repositories"), "repositories")
    names: dict[str, list[Reference]] = {}
    for repository, ids in tags.items():
        for tag, identity in ids.items():
            names.setdefault(identity, []).append(references.parse_tagged(repository, tag))
    for identity, given in names.items():
        yield _image(spool, blobs, identity, tuple(given))


def _image(spool: Spool, blobs: BlobStore, identity: str, names: tuple[Reference, ...]) -> Old:
    chain = _chain(spool, identity)
    layers = tuple(spool.get(f"{layer}/layer.tar") for layer, _ in chain)
    raw = decode(dict[str, msgspec.Raw], spool.document(f"{identity}/json"), f"{identity}/json")
    values: dict[str, Any] = {key: value for key, value in raw.items() if key not in _DROPPED}
    values["rootfs"] = {"type": "layers", "diff_ids": [spool.diff_id(blob) for blob in layers]}
    values["history"] = [_history(layer) for _, layer in chain]
    data = msgspec.json.encode(dict(sorted(values.items())))
    config_blob = blobs.add(data, spool.hold)
    return config_blob, images.decode(data), layers, names, ""


def _chain(spool: Spool, identity: str) -> list[tuple[str, _Layer]]:
    """The layers from the bottom to `identity`."""
    chain: list[tuple[str, _Layer]] = []
    while identity:
        layer = decode(_Layer, spool.document(f"{identity}/json"), f"{identity}/json")
        chain.append((identity, layer))
        if len(chain) > MOST_LAYERS:
            raise InvalidArgument(f"invalid archive: layer {identity} has more than {MOST_LAYERS} ancestors")
        identity = layer.parent
    return chain[::-1]


def _history(layer: _Layer) -> History:
    command = (layer.container_config or {}).get("Cmd") or []
    created_by = " ".join(str(word) for word in command) if isinstance(command, list) else str(command)
    return History(created=layer.created, created_by=created_by, author=layer.author, comment=layer.comment)
