"""The parts of the image store that its operations share: blobs, layers, records; and how work on them is committed.

working()      around everything that makes content: what it makes or relies on is not collected meanwhile, and
               what nothing refers to afterwards goes (also after an error)
committing()   around recording: everything is on the disk before the first reference to it
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from estiba.errors import EstibaError, NotFound
from estiba.images.blobs import BlobStore
from estiba.images.collect import blobs_of, collect
from estiba.images.index import write_index
from estiba.images.pins import Pins
from estiba.images.records import ImageRecords

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from estiba.images.image import Image
    from estiba.images.pins import Hold
    from estiba.snapshots.layers import Layers
    from estiba.store.database import Database


class Content:
    """What there is, below one root directory."""

    def __init__(self, root: Path, database: Database, layers: Layers) -> None:
        self.layers = layers
        self.blobs = BlobStore(root)
        self.records = ImageRecords(database, self.blobs)
        self.records.on_change(self.publish)
        self.pins = Pins()
        self._commit = threading.Lock()
        self._index = threading.Lock()

    @contextlib.contextmanager
    def working(self) -> Iterator[Hold]:
        """See above. Blobs that the block adds to the hold stay at least until its end."""
        with self.pins.hold() as hold:
            try:
                with self.layers.lease():
                    yield hold
            except BaseException:
                with contextlib.suppress(EstibaError, OSError):  # what stays now goes at the next start
                    collect(self, hold.release())
                raise
            collect(self, hold.release())

    def rely_on(self, image: Image, hold: Hold) -> None:
        """Within working(): keep an image's blobs and layers, even if it is removed. Raises NotFound if it was."""
        with self.pins.lock:
            if self.records.by_id(image.id) is None:
                raise NotFound(f"No such image: {image.id}")
            for digest in blobs_of(image):
                hold.add(digest)
            for key in image.chain_ids:
                self.layers.has(key)  # in a lease, to ask is to protect

    @contextlib.contextmanager
    def committing(self) -> Iterator[None]:
        """See above."""
        with self._commit:
            self.blobs.sync()
            self.layers.sync()
            yield

    def stack_size(self, keys: Iterable[str]) -> int:
        """Bytes of the files in layers that are there."""
        return sum(self.layers.get(key).size for key in keys)

    def publish(self) -> None:
        """Bring index.json up to date. A change is recorded already: what can't be written now comes next time."""
        with self._index, contextlib.suppress(EstibaError):
            write_index(self.blobs, self.records)
