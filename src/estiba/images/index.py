"""index.json of the store's layout: the images and their names, so that other tools can read the store.

The database is what counts; this file follows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from estiba.errors import EstibaError
from estiba.oci import manifest as manifests
from estiba.oci.manifest import Descriptor, Index, encode
from estiba.store.atomic import write_file
from estiba.store.space import explained

if TYPE_CHECKING:
    from estiba.images.blobs import BlobStore
    from estiba.images.records import ImageRecords


def write_index(blobs: BlobStore, records: ImageRecords) -> None:
    """Write index.json anew; equal content gives equal bytes."""
    entries = []
    for image in sorted(records.all(), key=lambda image: image.id):
        if not image.manifest:
            continue
        try:
            size = blobs.size(image.manifest)
        except EstibaError:
            continue
        plain = Descriptor(media_type=manifests.MANIFEST, digest=image.manifest, size=size)
        entries += named_descriptors(plain, [(str(name), str(name)) for name in records.names(image.id) if name.tag])
    with explained("write the image index", blobs.directory):
        write_file(
            blobs.directory / "index.json",
            encode(Index(schema_version=2, media_type=manifests.INDEX, manifests=entries)),
            0o644,
            durable=False,
        )


def named_descriptors(descriptor: Descriptor, names: list[tuple[str, str]]) -> list[Descriptor]:
    """The descriptor once for each (whole name, what ref.name says); as it is when there is none."""
    if not names:
        return [descriptor]
    return [
        Descriptor(
            media_type=descriptor.media_type,
            digest=descriptor.digest,
            size=descriptor.size,
            annotations={manifests.IMAGE_NAME: name, manifests.REF_NAME: short},
        )
        for name, short in names
    ]
