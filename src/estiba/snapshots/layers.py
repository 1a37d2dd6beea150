"""Unpacked layers, one directory each, shared by every image and container whose stack contains them.

    ROOT/layers/<number>/diff      the number is short, since overlayfs's options have to name many of them
    database: layers               key (a chain id, or what the engine makes itself) → number, size

create    a directory under a temporary name, filled by the caller; a rename and a record make it visible
ensure    the same, but only once whoever else wants it at the same time
sync      one syncfs for everything that was made since, before references to it are recorded
collect   what no image, container or piece of work under way needs goes

A layer whose record is missing after a crash has no reference yet: it is removed at the next start.
"""

from __future__ import annotations

import os
import re
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Self

import msgspec

from estiba.errors import Conflict, NotFound
from estiba.linux.directories import OPEN_DIRECTORY
from estiba.linux.libc import syncfs
from estiba.snapshots.assemble import assembled, overlay_mount
from estiba.snapshots.trash import Trash
from estiba.store.space import explained

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from estiba.store.database import Database

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS layers (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    parent TEXT,
    size INTEGER NOT NULL,
    overlays TEXT NOT NULL
);
"""
_NEW: Final = ".new-"
_NUMBER: Final = re.compile(r"[1-9][0-9]*")


class Layer(msgspec.Struct, frozen=True):
    """One unpacked layer.

    Attributes:
        key: the chain id ("sha256:…") of the stack that ends with it, or a key of the engine's own.
        parent: the key of the layer below, None at the bottom.
        size: bytes of its files.
        overlays: (destination, directory of this machine) pairs that belong over the root as overlays of their own.
    """

    number: int
    key: str
    parent: str | None = None
    size: int = 0
    overlays: tuple[tuple[str, str], ...] = ()


class NewLayer:
    """A layer that is being filled.

    Attributes:
        descriptor: its empty directory.
        size: to be set by whoever fills it.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.size = 0


class StagedLayer(NewLayer):
    """A layer that is filled before its key is known: publish() or discard() it, in any order with other ones."""

    def __init__(self, layers: Layers, number: int, place: Path, descriptor: int) -> None:
        super().__init__(descriptor)
        self._layers = layers
        self._number = number
        self._place = place

    def publish(
        self,
        key: str,
        *,
        parent: str | None = None,
        overlays: Sequence[tuple[str, str]] = (),
        deferred: bool = True,
    ) -> None:
        """Make it visible under its key; where there is one already, that stays and this one goes."""
        layer = Layer(self._number, key, parent, self.size, tuple(overlays))
        try:
            self._layers.publish(self._place, layer, deferred)
        finally:
            self.discard()

    def discard(self) -> None:
        """Remove it, unless it was published; idempotent."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
            self._layers.trash.discard(self._place)


class Layers:
    """The layers below one root directory. Thread-safe; one per root (its lock sees to that). Close it."""

    def __init__(self, root: Path, database: Database) -> None:
        self._root = root / "layers"
        self._database = database
        self._lock = threading.RLock()
        self._making: dict[str, threading.Lock] = {}
        self._users: dict[str, int] = {}
        self._leases: dict[int, set[str]] = {}
        self._unsynced: list[Layer] = []
        with explained("prepare the layer store", self._root):
            self._root.mkdir(mode=0o710, parents=True, exist_ok=True)
            self.empty = self._root / "empty"  # the lowest layer of every view
            self.bottom = self._root / "bottom"  # the other one that a view of nothing needs
            self.place = self._root / "place"  # what is mounted on where old kernels need a place
            for directory in (self.empty, self.bottom, self.place):
                directory.mkdir(mode=0o755, exist_ok=True)
            self.trash = Trash(root / "trash")
            database.create(SCHEMA)
            self._layers = self._recorded()
            self._next_number = self._sweep() + 1
            self._numbers = {layer.number: layer for layer in self._layers.values()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the thread that deletes."""
        self.trash.close()

    # reading

    def has(self, key: str) -> bool:
        """Whether there is a layer of this key. Protects it until the leases that are open now end."""
        with self._lock:
            self._protect(key)
            return key in self._layers

    def find(self, key: str) -> Layer | None:
        """The layer of a key, None when there is none."""
        with self._lock:
            return self._layers.get(key)

    def get(self, key: str) -> Layer:
        """The layer of a key. Raises NotFound."""
        layer = self.find(key)
        if layer is None:
            raise NotFound(f"no such layer: {key}; its image has to be loaded again")
        return layer

    def numbered(self, number: int) -> Layer:
        """The layer with this number. Raises NotFound."""
        with self._lock:
            layer = self._numbers.get(number)
        if layer is None:
            raise NotFound(f"layer {number} is missing; its image has to be loaded again")
        return layer

    def list(self) -> list[Layer]:
        """All layers, in the order in which they were made."""
        with self._lock:
            return sorted(self._layers.values(), key=lambda layer: layer.number)

    def directory(self, key: str) -> Path:
        """Where a layer's files are. Raises NotFound."""
        return self.directory_of(self.get(key).number)

    def directory_of(self, number: int) -> Path:
        """Where the files of the layer with this number are, or would be."""
        return self._root / str(number) / "diff"

    # making

    @contextmanager
    def create(
        self,
        key: str,
        *,
        parent: str | None = None,
        overlays: Sequence[tuple[str, str]] = (),
        deferred: bool = False,
    ) -> Iterator[NewLayer]:
        """A new layer, filled in the block and visible after it; a block that raises leaves nothing.

        When somebody else has made the same one meanwhile, theirs stays and this one goes.

        Args:
            deferred: record it with the next sync() instead of at once (what an image refers to must be on disk).
        """
        staged = self.stage()
        try:
            yield staged
            staged.publish(key, parent=parent, overlays=overlays, deferred=deferred)
        finally:
            staged.discard()

    def stage(self) -> StagedLayer:
        """A new layer whose key is not known yet; the caller fills it, then publishes or discards it."""
        with self._lock:
            number = self._next_number
            self._next_number += 1
        place = self._root / f"{_NEW}{number}"
        with explained("make a layer", self._root):
            os.mkdir(place, 0o710)
            try:
                os.mkdir(place / "diff", 0o755)
                os.chmod(place / "diff", 0o755)
                return StagedLayer(self, number, place, os.open(place / "diff", OPEN_DIRECTORY))
            except BaseException:
                self.trash.discard(place)
                raise

    def ensure(
        self, key: str, parent: str | None, fill: Callable[[NewLayer, int | None], None], *, deferred: bool = True
    ) -> Layer:
        """The layer of a key; where it is missing, `fill` makes its content, and others who want it wait for that.

        Args:
            fill: is given the new layer and the root of a read-only view of the layers below (None: there are none).
                It sets the new layer's size. What it raises is raised here, and nothing stays.
        """
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:
            if not self.has(key):
                with self.create(key, parent=parent, deferred=deferred) as new:
                    if parent is None:
                        fill(new, None)
                    else:
                        with self.view(self.stack(parent)) as lower:
                            fill(new, lower)
            return self.get(key)

    def sync(self) -> None:
        """Write everything made so far to the disk and record it: once per image, before its reference is recorded."""
        with self._lock:
            layers, self._unsynced = self._unsynced, []
        if not layers:
            return
        try:
            with explained("write the layers to the disk", self._root):
                descriptor = os.open(self._root, OPEN_DIRECTORY)
                try:
                    syncfs(descriptor)
                finally:
                    os.close(descriptor)
            with self._database.write() as connection:
                for layer in layers:
                    _insert(connection.execute, layer)
        except BaseException:
            with self._lock:
                self._unsynced += layers
            raise

    @contextmanager
    def view(self, keys: Sequence[str]) -> Iterator[int]:
        """A descriptor of the root of a read-only view of a stack, bottom first; mounted nowhere.

        Overlays of the machine's directories are not part of it.
        """
        directories = [str(self.directory(key)) for key in reversed(keys)]
        with assembled([overlay_mount("/", [*directories, str(self.empty)])], self.place) as root:
            yield root

    def stack(self, key: str) -> tuple[str, ...]:
        """The keys of a layer and all below it, bottom first."""
        keys = []
        following: str | None = key
        while following is not None:
            keys.append(following)
            following = self.get(following).parent
        return tuple(reversed(keys))

    # keeping and removing

    @contextmanager
    def lease(self) -> Iterator[None]:
        """What is made, or asked for with has(), in the block is not collected before it ends."""
        held: set[str] = set()
        with self._lock:
            self._leases[id(held)] = held
        try:
            yield
        finally:
            with self._lock:
                del self._leases[id(held)]

    def acquire(self, keys: Iterable[str]) -> None:
        """Count a user of each layer: it can't be removed while there is one."""
        with self._lock:
            for key in keys:
                self._users[key] = self._users.get(key, 0) + 1

    def release(self, keys: Iterable[str]) -> None:
        """The inverse of acquire."""
        with self._lock:
            for key in keys:
                count = self._users.get(key, 0) - 1
                if count > 0:
                    self._users[key] = count
                else:
                    self._users.pop(key, None)

    def remove(self, key: str) -> None:
        """Remove one layer. Raises NotFound, and Conflict when another layer or a container stands on it."""
        with self._lock:
            layer = self.get(key)
            if self._users.get(key):
                raise Conflict(f"cannot remove layer {key}: a container uses it")
            above = next((other.key for other in self._layers.values() if other.parent == key), None)
            if above is not None:
                raise Conflict(f"cannot remove layer {key}: layer {above} stands on it")
            self._remove([layer])

    def collect(self, keep: Iterable[str]) -> tuple[Layer, ...]:
        """Remove every layer that is not below one of `keep`, in use or under a lease; what was removed."""
        with self._lock:
            needed: set[str] = set()
            roots = [*keep, *self._users, *(key for held in self._leases.values() for key in held)]
            while roots:
                layer = self._layers.get(roots.pop())
                if layer is not None and layer.key not in needed:
                    needed.add(layer.key)
                    roots += [layer.parent] if layer.parent else []
            removed = tuple(layer for layer in self._layers.values() if layer.key not in needed)
            self._remove(removed)
            return removed

    # inside

    def _protect(self, key: str) -> None:
        for held in self._leases.values():
            held.add(key)

    def publish(self, place: Path, layer: Layer, deferred: bool) -> None:
        """Give a filled directory its number and record it; what StagedLayer.publish() does."""
        with self._lock, explained(f"make layer {layer.key}", self._root):
            self._protect(layer.key)
            if layer.key in self._layers:
                return
            os.rename(place, self._root / str(layer.number))
            if deferred:
                self._unsynced.append(layer)
            else:
                with self._database.write() as connection:
                    _insert(connection.execute, layer)
            self._layers[layer.key] = self._numbers[layer.number] = layer

    def _remove(self, layers: Sequence[Layer]) -> None:
        if not layers:
            return
        with self._database.write() as connection:
            connection.executemany("DELETE FROM layers WHERE number = ?", [(layer.number,) for layer in layers])
        for layer in layers:
            del self._layers[layer.key], self._numbers[layer.number]
            self.trash.discard(self._root / str(layer.number))
        self._unsynced = [layer for layer in self._unsynced if layer not in layers]

    def _recorded(self) -> dict[str, Layer]:
        with self._database.read() as connection:
            rows = connection.execute("SELECT number, key, parent, size, overlays FROM layers").fetchall()
        return {
            key: Layer(number, key, parent, size, msgspec.json.decode(overlays, type=tuple[tuple[str, str], ...]))
            for number, key, parent, size, overlays in rows
        }

    def _sweep(self) -> int:
        """Remove what a crash left: directories without a record, records without a directory. The highest number."""
        numbers = {layer.number: layer for layer in self._layers.values()}
        found = set()
        for name in os.listdir(self._root):
            if _NUMBER.fullmatch(name) and int(name) in numbers:
                found.add(int(name))
            elif name not in (self.empty.name, self.bottom.name, self.place.name):
                self.trash.discard(self._root / name)
        lost = [layer for number, layer in numbers.items() if number not in found]
        if lost:
            with self._database.write() as connection:
                connection.executemany("DELETE FROM layers WHERE number = ?", [(layer.number,) for layer in lost])
            for layer in lost:
                del self._layers[layer.key]
        self.trash.wake()
        return max(numbers, default=0)


def _insert(execute: Callable[..., object], layer: Layer) -> None:
    overlays = msgspec.json.encode(layer.overlays).decode()
    execute(
        "INSERT INTO layers (number, key, parent, size, overlays) VALUES (?, ?, ?, ?, ?)",
        (layer.number, layer.key, layer.parent, layer.size, overlays),
    )
