"""A stack of layers and a writable one as a root file system, by overlayfs.

    prepare    ROOT/snapshots/KEY/{upper,work} and `lower`, a link whose text is the layers' numbers, top first
    mounts     what the runtime mounts for it
    view       the same for a stack alone, read-only
    open_root  its tree without mounting it anywhere (for a container that does not run)
    remove     into the trash

Layers that bring overlays of the machine's own directories (the `host` image's /usr) have an upper directory more for
each: ROOT/snapshots/KEY/overlays/N. Nothing else is recorded anywhere: a snapshot is its directory.
https://docs.kernel.org/filesystems/overlayfs.html
"""

from __future__ import annotations

import os
import re
import stat
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from estiba.errors import Conflict, InvalidArgument, NotFound
from estiba.linux.directories import OPEN_DIRECTORY
from estiba.linux.files import tree_size
from estiba.snapshots.assemble import assembled, overlay_mount
from estiba.store.space import explained

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from estiba.oci.runtime_spec import Mount
    from estiba.snapshots.layers import Layer, Layers

_KEY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")


class OverlaySnapshots:
    """Writable layers below one root directory. Thread-safe for different keys."""

    def __init__(self, root: Path, layers: Layers) -> None:
        self._root = root / "snapshots"
        self._layers = layers
        with explained("prepare the snapshot store", self._root):
            self._root.mkdir(mode=0o710, parents=True, exist_ok=True)
        self._removing = threading.Lock()
        for key in self.keys():
            layers.acquire(self._used(key))

    def prepare(self, key: str, chain_ids: Sequence[str]) -> None:
        """Make an empty writable layer over a stack of layers, bottom first; none at all is an empty root.

        Raises:
            Conflict: there is one under this key. NotFound: a layer is missing. Unavailable: no space.
        """
        if not _KEY.fullmatch(key):
            raise InvalidArgument(f"invalid snapshot key: {key!r}")
        stack = [self._layers.get(chain_id) for chain_id in reversed(chain_ids)]
        with explained(f"prepare the snapshot {key}", self._root):
            try:
                os.mkdir(self._root / key, 0o710)
            except FileExistsError:
                raise Conflict(f"there is a snapshot {key} already") from None
        self._layers.acquire(chain_ids)
        try:
            with explained(f"prepare the snapshot {key}", self._root):
                self._make(self._root / key, stack)
        except BaseException:
            self._layers.trash.discard(self._root / key)
            self._layers.release(chain_ids)
            raise

    def mounts(self, key: str) -> list[Mount]:
        """What to mount for a root file system, in order; the first is `/`. Raises NotFound."""
        place = self._root / key
        stack = self._stack(key)
        root = overlay_mount("/", self._directories(stack), (str(place / "upper"), str(place / "work")))
        further = []
        for number, (destination, directory) in enumerate(_overlays(stack)):
            own = place / "overlays" / str(number)
            further.append(overlay_mount(destination, [directory], (str(own / "upper"), str(own / "work"))))
        return [root, *further]

    def view(self, chain_ids: Sequence[str]) -> list[Mount]:
        """What to mount for a read-only root of a stack alone, bottom first. Raises NotFound."""
        return self._view([self._layers.get(chain_id) for chain_id in reversed(chain_ids)])

    @contextmanager
    def open_root(self, key: str) -> Iterator[int]:
        """A descriptor of the root directory of a snapshot that no container runs on.

        The tree is mounted nowhere and ends with the descriptor; devices in it can't be opened.
        """
        with assembled(self.mounts(key), self._layers.place) as root:
            yield root

    @contextmanager
    def open_view(self, chain_ids: Sequence[str]) -> Iterator[int]:
        """The same of a stack of layers, read-only."""
        with assembled(self.view(chain_ids), self._layers.place) as root:
            yield root

    @contextmanager
    def upper(self, key: str) -> Iterator[int]:
        """A descriptor of the writable layer's directory, that over `/`. Raises NotFound."""
        descriptor = self._open(key, "upper")
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def compared(self, key: str) -> Iterator[list[tuple[str, int, int]]]:
        """What a container wrote and what that covers: (place, upper, lower) with directory descriptors.

        The first place is "", the root; overlays of their own follow ("/usr"). May be used while the container runs.
        """
        stack = self._stack(key)
        with ExitStack() as opened:
            parts = []
            uppers = ["upper", *(f"overlays/{number}/upper" for number in range(len(_overlays(stack))))]
            for name, mount in zip(uppers, self._view(stack), strict=True):
                upper = self._open(key, name)
                opened.callback(os.close, upper)
                lower = opened.enter_context(assembled([mount], self._layers.place))
                parts.append((mount.destination.rstrip("/"), upper, lower))
            yield parts

    def usage(self, key: str) -> int:
        """Bytes of the files in the writable layer (and those of further overlays); 0 when there is none."""
        place = self._root / key
        total = 0
        for upper in [place / "upper", *place.glob("overlays/*/upper")]:
            try:
                descriptor = os.open(upper, OPEN_DIRECTORY)
            except FileNotFoundError:
                continue
            try:
                total += tree_size(descriptor)
            except FileNotFoundError:
                continue  # removed meanwhile
            finally:
                os.close(descriptor)
        return total

    def remove(self, key: str) -> None:
        """Remove a writable layer: it is gone at once, its files a little later. Idempotent."""
        if not _KEY.fullmatch(key):
            raise InvalidArgument(f"invalid snapshot key: {key!r}")
        with self._removing:
            used = self._used(key)
            with explained(f"remove the snapshot {key}", self._root):
                self._layers.trash.discard(self._root / key)
        self._layers.release(used)

    def stack(self, key: str) -> tuple[str, ...]:
        """The keys of the layers below a writable one, bottom first. Raises NotFound."""
        return tuple(layer.key for layer in reversed(self._stack(key)))

    def directories(self, key: str) -> dict[str, str]:
        """Where the parts of a snapshot are, by Docker's names (GraphDriver.Data of inspect). Raises NotFound."""
        place = self._root / key
        return {
            "LowerDir": ":".join(self._directories(self._stack(key))),
            "MergedDir": str(place / "merged"),
            "UpperDir": str(place / "upper"),
            "WorkDir": str(place / "work"),
        }

    def keys(self) -> list[str]:
        """The keys of all writable layers."""
        return sorted(name for name in os.listdir(self._root) if _KEY.fullmatch(name))

    # inside

    def _make(self, place: Path, stack: Sequence[Layer]) -> None:
        # first the link: a snapshot that a crash left half-made still names the layers it holds
        os.symlink(":".join(str(layer.number) for layer in stack) or "-", place / "lower")
        _make_pair(place, str(self._layers.directory_of(stack[0].number)) if stack else None)
        overlays = _overlays(stack)
        if overlays:
            os.mkdir(place / "overlays", 0o710)
        for number, (_, directory) in enumerate(overlays):
            os.mkdir(place / "overlays" / str(number), 0o710)
            _make_pair(place / "overlays" / str(number), directory)

    def _stack(self, key: str) -> list[Layer]:
        """The layers below a snapshot, top first."""
        numbers = self._read(key)
        if numbers is None:
            raise NotFound(f"there is no snapshot {key}")
        return [self._layers.numbered(number) for number in numbers]

    def _read(self, key: str) -> list[int] | None:
        try:
            text = os.readlink(self._root / key / "lower")
        except FileNotFoundError:
            return None
        return [int(number) for number in text.split(":") if number.isdigit()]

    def _used(self, key: str) -> list[str]:
        """The keys of the layers that a snapshot holds."""
        known = {layer.number: layer.key for layer in self._layers.list()}
        return [known[number] for number in self._read(key) or () if number in known]

    def _directories(self, stack: Sequence[Layer]) -> list[str]:
        return [str(self._layers.directory_of(layer.number)) for layer in stack] or [str(self._layers.empty)]

    def _view(self, stack: Sequence[Layer]) -> list[Mount]:
        empty = str(self._layers.empty)
        directories = [str(self._layers.directory_of(layer.number)) for layer in stack]
        return [
            overlay_mount("/", [*(directories or [str(self._layers.bottom)]), empty]),
            *(overlay_mount(destination, [directory, empty]) for destination, directory in _overlays(stack)),
        ]

    def _open(self, key: str, name: str) -> int:
        try:
            return os.open(self._root / key / name, OPEN_DIRECTORY)
        except FileNotFoundError:
            raise NotFound(f"there is no snapshot {key}") from None


def _overlays(stack: Sequence[Layer]) -> list[tuple[str, str]]:
    return [overlay for layer in reversed(stack) for overlay in layer.overlays]


def _make_pair(place: Path, lower: str | None) -> None:
    """The upper and work directory of an overlay; the upper one is what the merged root's attributes come from."""
    upper = place / "upper"
    os.mkdir(upper, 0o755)
    if lower is None:
        os.chmod(upper, 0o755)
    else:
        found = os.stat(lower)
        if (found.st_uid, found.st_gid) != (0, 0):
            os.chown(upper, found.st_uid, found.st_gid)
        os.chmod(upper, stat.S_IMODE(found.st_mode))
        os.utime(upper, ns=(found.st_mtime_ns, found.st_mtime_ns))
    os.mkdir(place / "work", 0o700)
