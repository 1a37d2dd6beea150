"""`load`: an archive's images become images of the store, all of them or, after an error, none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from estiba.images.archive import read_images
from estiba.images.image import Loaded
from estiba.images.progress import Progress, check_cancelled, silent
from estiba.images.records import NewImage
from estiba.images.spool import Spool
from estiba.images.staging import LayerBuilder
from estiba.oci.digest import chain_ids

if TYPE_CHECKING:
    from threading import Event

    from estiba.images.archive import ArchivedImage
    from estiba.images.compression import Readable
    from estiba.images.content import Content
    from estiba.images.progress import Report
    from estiba.oci.reference import Reference


def load(
    content: Content, stream: Readable, report: Report = silent, cancel: Event | None = None, platform: str = ""
) -> list[Loaded]:
    """Read an archive from any stream, in any of the formats and compressions there are.

    Returns:
        an entry for every name of every image, and one for each image without a name.

    Raises:
        InvalidArgument: no archive, a hostile one, or damaged content. Unavailable: no space. Cancelled.
    """
    builder = LayerBuilder(content.layers, content.blobs)
    with content.working() as hold, Spool(content.blobs, builder, hold, report, cancel) as spool:
        with content.blobs.written_early():
            spool.read(stream)
        images = read_images(spool, content.blobs, platform)
        for image in images:
            for position, blob in enumerate(image.layers):
                check_cancelled(cancel)
                builder.install(image.config.diff_ids, position, blob, spool.take_staged(blob))
        check_cancelled(cancel)
        loaded: list[Loaded] = []
        with content.committing(), content.records.together():
            for image in images:
                loaded += _record(content, image, report)
            for image in images:
                if image.parent and content.records.by_id(image.parent):
                    content.records.set_parent(image.config_blob.digest, image.parent)
        return loaded


def _record(content: Content, image: ArchivedImage, report: Report) -> list[Loaded]:
    identity = image.config_blob.digest
    size = content.stack_size(chain_ids(image.config.diff_ids))
    moved = content.records.add(NewImage(identity, image.manifest.digest, size), image.names)
    lost = dict(moved)
    loaded = []
    for name in image.names:
        if name in lost:
            report(Progress(stream=_renaming(name, lost[name])))
        report(Progress(stream=f"Loaded image: {name.familiar}\n"))
        loaded.append(Loaded(identity, name.familiar))
    if not loaded:
        report(Progress(stream=f"Loaded image ID: {identity}\n"))
        loaded.append(Loaded(identity))
    return loaded


def _renaming(name: Reference, identity: str) -> str:
    return f"The image {name.familiar} already exists, renaming the old one with ID {identity} to empty string\n"
