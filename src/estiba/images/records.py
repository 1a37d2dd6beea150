"""Which images there are and what they are called: rows in the database, and the same as values in memory.

A name is a complete reference, `docker.io/library/x:1` or `…/x@sha256:…`. Changes are durable when a method returns.
The engine owns its root, so memory never lags behind the rows. Every method may be called from any thread.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from estiba.errors import EstibaError, InvalidArgument, NotFound
from estiba.images.image import Image
from estiba.oci import image as image_config
from estiba.oci import manifest as manifests
from estiba.oci import reference as references
from estiba.oci.digest import chain_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from estiba.images.blobs import BlobStore
    from estiba.oci.reference import Reference
    from estiba.store.database import Database

_SCHEMA = """
CREATE TABLE IF NOT EXISTS image (
    id TEXT PRIMARY KEY, manifest TEXT NOT NULL, chain TEXT NOT NULL, parent TEXT NOT NULL, size INTEGER NOT NULL,
    tagged INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS image_reference (name TEXT PRIMARY KEY, image TEXT NOT NULL) STRICT, WITHOUT ROWID
"""


@dataclass(frozen=True)
class NewImage:
    """An image about to be recorded; its blobs and layers are on disk.

    Attributes:
        chain: chain ids of its layers where they don't follow from the configuration (the host image).
    """

    id: str
    manifest: str
    size: int
    chain: tuple[str, ...] = ()
    parent: str = ""


class ImageRecords:
    """The images and references of one root."""

    def __init__(self, database: Database, blobs: BlobStore) -> None:
        self._database = database
        self._blobs = blobs
        self._lock = threading.RLock()
        self._images: dict[str, Image] = {}
        self._names: dict[Reference, str] = {}
        self._broken: dict[str, str] = {}
        self._postponed = 0
        self._changed = False
        database.create(_SCHEMA)
        self._read()

    def all(self) -> list[Image]:
        """Every image, in no order."""
        with self._lock:
            return list(self._images.values())

    def by_id(self, identity: str) -> Image | None:
        """The image of exactly this id."""
        return self._images.get(identity)

    def by_prefix(self, prefix: str) -> Image | None:
        """The image whose id alone begins so, with or without `sha256:`."""
        with self._lock:
            found = [i for i in self._images if i.startswith(prefix) or i.partition(":")[2].startswith(prefix)]
        return self._images.get(found[0]) if len(found) == 1 else None

    def by_reference(self, reference: Reference) -> Image | None:
        """The image of this name; a digest counts more than a tag beside it, no tag is `latest`."""
        if reference.digest:
            reference = reference.with_digest(reference.digest)
        identity = self._names.get(reference.with_default_tag())
        return self._images.get(identity) if identity else None

    def names(self, identity: str) -> list[Reference]:
        """An image's references, sorted."""
        with self._lock:
            return sorted((name for name, image in self._names.items() if image == identity), key=str)

    def repository(self, reference: Reference) -> list[tuple[Reference, Image]]:
        """The tags of a repository with their images, sorted."""
        with self._lock:
            found = [name for name in self._names if name.name == reference.name and name.tag]
            return [(name, self._images[self._names[name]]) for name in sorted(found, key=str)]

    def children(self, identity: str) -> list[Image]:
        """The images committed from this one."""
        with self._lock:
            return [image for image in self._images.values() if image.parent == identity]

    def broken(self) -> dict[str, str]:
        """Ids of images whose blobs can't be read, with the reason."""
        return dict(self._broken)

    def add(self, new: NewImage, names: Iterable[Reference] = ()) -> list[tuple[Reference, str]]:
        """Record an image (again, perhaps) and give it names.

        Returns:
            the names that another image had, with that image's id.
        """
        now = time.time_ns()
        wanted = list(names)
        with self._lock:
            moved = [(n, self._names[n]) for n in wanted if self._names.get(n, new.id) != new.id]
            known = self._images.get(new.id)
            with self._database.write(durable=True) as c:
                if known is None:
                    parent = new.parent if new.parent in self._images else ""
                    row = (new.id, new.manifest, _text(new.chain), parent, new.size, 0)
                    c.execute("INSERT OR REPLACE INTO image VALUES (?, ?, ?, ?, ?, ?)", row)
                elif new.chain and new.chain != known.chain_ids:
                    c.execute("UPDATE image SET chain = ?, size = ? WHERE id = ?", (_text(new.chain), new.size, new.id))
                for name in wanted:
                    c.execute("INSERT OR REPLACE INTO image_reference VALUES (?, ?)", (str(name), new.id))
                if wanted:
                    c.execute("UPDATE image SET tagged = ? WHERE id = ?", (now, new.id))
            self._names.update(dict.fromkeys(wanted, new.id))
            self._refresh(new.id, *(identity for _, identity in moved))
        return moved

    def retag(self, identity: str, name: Reference) -> None:
        """Give an image that is here a further name, which another one may have had. Raises NotFound."""
        with self._lock:
            if identity not in self._images:
                raise NotFound(f"No such image: {identity}")
            previous = self._names.get(name)
            with self._database.write(durable=True) as c:
                c.execute("INSERT OR REPLACE INTO image_reference VALUES (?, ?)", (str(name), identity))
                c.execute("UPDATE image SET tagged = ? WHERE id = ?", (time.time_ns(), identity))
            self._names[name] = identity
            self._refresh(identity, *([previous] if previous and previous != identity else []))

    def untag(self, names: Iterable[Reference]) -> None:
        """Forget names."""
        with self._lock:
            gone = [name for name in names if name in self._names]
            with self._database.write(durable=True) as c:
                c.executemany("DELETE FROM image_reference WHERE name = ?", [(str(name),) for name in gone])
            self._refresh(*{self._names.pop(name) for name in gone})

    def remove(self, identity: str) -> None:
        """Forget an image and all its names; its children have no parent then."""
        with self._lock:
            with self._database.write(durable=True) as c:
                c.execute("DELETE FROM image_reference WHERE image = ?", (identity,))
                c.execute("DELETE FROM image WHERE id = ?", (identity,))
                c.execute("UPDATE image SET parent = '' WHERE parent = ?", (identity,))
            self._names = {name: image for name, image in self._names.items() if image != identity}
            self._images.pop(identity, None)
            self._refresh(*(child.id for child in self.children(identity)))

    def set_parent(self, identity: str, parent: str) -> None:
        """Record from which image one was committed; none that comes from it itself, as an archive may claim."""
        with self._lock:
            ancestor: str = parent
            while ancestor and ancestor != identity:
                ancestor = self._images[ancestor].parent if ancestor in self._images else ""
            if ancestor:
                return
            with self._database.write(durable=True) as c:
                c.execute("UPDATE image SET parent = ? WHERE id = ?", (parent, identity))
            self._refresh(identity)

    def on_change(self, publish: Callable[[], None]) -> None:
        """Call `publish` after every change from now on (the layout's index follows the records)."""
        self._publish = publish

    _publish: Callable[[], None] | None = None

    @contextmanager
    def together(self) -> Iterator[None]:
        """Publish the changes of the block once, at its end; an archive may bring thousands of names."""
        with self._lock:
            self._postponed += 1
        try:
            yield
        finally:
            with self._lock:
                self._postponed -= 1
                self._tell()

    def _tell(self) -> None:
        with self._lock:  # always before the lock of whoever publishes, who reads these records
            if self._postponed or not self._changed:
                return
            self._changed = False
            if self._publish is not None:
                self._publish()

    def _read(self) -> None:
        with self._database.read() as c:
            rows = c.execute("SELECT id, manifest, chain, parent, size, tagged FROM image").fetchall()
            names = c.execute("SELECT name, image FROM image_reference").fetchall()
        self._names = {references.parse(name): identity for name, identity in names}
        for row in rows:
            self._load(row)

    def _refresh(self, *identities: str) -> None:
        """Read rows anew after a change."""
        for identity in identities:
            with self._database.read() as c:
                row = c.execute(
                    "SELECT id, manifest, chain, parent, size, tagged FROM image WHERE id = ?", (identity,)
                ).fetchone()
            if row is not None:
                self._load(row)
        self._changed = True
        self._tell()

    def _load(self, row: tuple[str, str, str, str, int, int]) -> None:
        identity, manifest, chain, parent, size, tagged = row
        names = self.names(identity)
        tags = tuple(name.familiar for name in names if not name.digest)
        digests = tuple(name.familiar for name in names if name.digest)
        known = self._images.get(identity)
        if known is not None and (not chain or _list(chain) == known.chain_ids):
            self._images[identity] = replace(
                known, references=tags, digests=digests, parent=parent, size=size, tagged_ns=tagged
            )
            return
        try:
            config = image_config.decode(self._blobs.read(identity, manifests.LARGEST_DOCUMENT))
            layers = read_manifest(self._blobs, manifest).layers if manifest else []
        except EstibaError as error:
            self._broken[identity] = error.message
            return
        self._images[identity] = Image(
            id=identity,
            config=config,
            references=tags,
            digests=digests,
            chain_ids=_list(chain) if chain else chain_ids(config.diff_ids),
            manifest=manifest,
            layers=tuple(layers),
            size=size,
            parent=parent,
            tagged_ns=tagged,
        )


def read_manifest(blobs: BlobStore, digest: str) -> manifests.Manifest:
    """A manifest from the store. Raises NotFound, InvalidArgument."""
    return manifests.decode(manifests.Manifest, blobs.read(digest, manifests.LARGEST_DOCUMENT), f"manifest {digest}")


def find_image(records: ImageRecords, name: str) -> Image | None:
    """The image that a name, an id or an unambiguous beginning of an id means.

    Raises:
        InvalidArgument: it can be neither.
    """
    if len(name) == 64 and all(c in "0123456789abcdef" for c in name):
        return records.by_id(f"sha256:{name}")
    exact = records.by_id(name)
    if exact is not None:
        return exact
    reference = parse_name(name)
    found = records.by_reference(reference)
    return found if found is not None else records.by_prefix(name)


def parse_name(name: str) -> Reference:
    """The reference that a name means; what looks like a whole id is none. Raises InvalidArgument."""
    if not name:
        raise InvalidArgument("invalid reference format")
    return references.parse(name)


def no_such_image(name: str, *, tagged: bool = True) -> NotFound:
    """Docker's error: names are shown with their tag (`save` alone leaves that away), ids as they are."""
    if name.startswith("sha256:") and len(name) == 71:
        return NotFound(f"No such image: {name}")
    try:
        reference = references.parse(name)
        shown = (reference.with_default_tag() if tagged else reference).familiar
    except InvalidArgument:
        shown = f"sha256:{name}" if len(name) == 64 else name
    return NotFound(f"No such image: {shown}")


def _text(chain: tuple[str, ...]) -> str:
    return msgspec.json.encode(chain).decode() if chain else ""


def _list(text: str) -> tuple[str, ...]:
    return msgspec.json.decode(text, type=tuple[str, ...])
