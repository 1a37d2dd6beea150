"""The `local` driver: volumes as directories under ROOT/volumes, their names and labels in the database.

create ── volumes/ID/_data, then the row (durable)      a crash between leaves a directory without a row
remove ── the row goes (durable), then the directory    likewise
reconcile, at start: directories without a row go, a missing directory of a row is made again
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from estiba.errors import Conflict, InvalidArgument, NotFound
from estiba.linux.files import refuse_mount_root, remove_tree
from estiba.linux.openat2 import RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS, openat2
from estiba.store.space import explained
from estiba.volumes import filling
from estiba.volumes.volume import ANONYMOUS_LABEL, Filters, InUse, Volume, check_name, check_options, matches, truth

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from estiba.store.database import Database

_SCHEMA = """
CREATE TABLE IF NOT EXISTS volume (
    name TEXT PRIMARY KEY, id TEXT NOT NULL UNIQUE, created TEXT NOT NULL, labels TEXT, options TEXT
) STRICT, WITHOUT ROWID
"""
_DATA = "_data"


class VolumeStore:
    """The volumes of one root directory. Thread-safe; who uses a volume is asked of the caller (`in_use`).

    guard: held from that question to the end of the record, and by who begins to use a volume.
    """

    def __init__(self, root: Path, database: Database) -> None:
        self.guard = threading.RLock()
        self._directory = root / "volumes"
        self._database = database
        self._directory.mkdir(mode=0o711, parents=True, exist_ok=True)
        database.create(_SCHEMA)

    def create(
        self,
        name: str = "",
        *,
        driver: str = "local",
        options: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Volume:
        """Make a volume; one that exists is returned as it is. Without a name: a random one and the anonymous label.

        Raises:
            InvalidArgument: a bad name, or options. NotFound: another driver. Unavailable: no space.
        """
        if driver not in ("", "local"):
            raise NotFound(f'create {name}: error looking up volume plugin {driver}: plugin "{driver}" not found')
        existing = self.find(name) if name else None
        if existing is not None:
            return existing
        if not name:
            name = secrets.token_hex(32)
            labels = {**(labels or {}), ANONYMOUS_LABEL: ""}
        check_name(name)
        check_options(name, options or {})
        return self._make(name, labels, options)

    def find(self, name: str) -> Volume | None:
        """The volume of exactly this name."""
        with self._database.read() as c:
            row = c.execute("SELECT name, id, created, labels, options FROM volume WHERE name = ?", (name,)).fetchone()
        return self._volume(row) if row else None

    def get(self, name: str) -> Volume:
        """The volume of exactly this name. Raises NotFound."""
        volume = self.find(name)
        if volume is None:
            raise NotFound(f"get {name}: no such volume")
        return volume

    def list(self, filters: Filters | None = None, *, in_use: InUse) -> list[Volume]:
        """Volumes by name, filtered by dangling, name, label, driver."""
        filters = filters or {}
        dangling = truth(filters, "dangling")
        with self._database.read() as c:
            rows = c.execute("SELECT name, id, created, labels, options FROM volume ORDER BY name").fetchall()
        found = [volume for volume in map(self._volume, rows) if matches(volume, filters)]
        return found if dangling is None else [v for v in found if dangling is (not in_use(v.name))]

    def remove(self, name: str, *, force: bool = False, in_use: InUse) -> bool:
        """Remove a volume and what is in it; False when force forgave that there is none.

        Raises:
            NotFound: no such volume (without force). Conflict: a container has it (force or not).
        """
        with self.guard:
            volume = self.find(name)
            if volume is None:
                if force:
                    return False
                raise NotFound(f"get {name}: no such volume")
            users = in_use(name)
            if users:
                raise Conflict(f"remove {name}: volume is in use - [{', '.join(users)}]")
            self._forget(volume)
        self._remove_directory(volume.id)
        return True

    def prune(self, filters: Filters | None = None, *, in_use: InUse) -> tuple[Sequence[str], int]:
        """Remove volumes that nothing uses: the anonymous ones, with the filter `all` every one.

        Returns:
            the names removed and the bytes they held.
        """
        filters = filters or {}
        everything = bool(truth(filters, "all"))
        names, reclaimed = [], 0
        for volume in self.list({k: v for k, v in filters.items() if k in ("label", "label!")}, in_use=in_use):
            if not (everything or volume.anonymous):
                continue
            size = usage(volume.mountpoint)
            with self.guard:
                if in_use(volume.name) or not self._forget(volume):
                    continue
            self._remove_directory(volume.id)
            names.append(volume.name)
            reclaimed += size
        return names, reclaimed

    def usage(self, name: str) -> int:
        """Bytes of the files in a volume. Raises NotFound."""
        return usage(self.get(name).mountpoint)

    def open_path(self, volume: Volume, subpath: str = "") -> int:
        """An O_PATH descriptor of the volume's directory, or of what `subpath` leads to in it; the caller closes it.

        Links in the volume are followed as long as they stay inside.

        Raises:
            InvalidArgument: subpath is not relative, or leads out. NotFound: nothing is there.
        """
        check_subpath(subpath)
        top = os.open(volume.mountpoint, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        if not subpath:
            return top
        try:
            return openat2(top, subpath, os.O_PATH, resolve=RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound(_not_accessible(volume.mountpoint, subpath, (error.strerror or "").lower())) from None
        except OSError as error:
            raise InvalidArgument(
                f"path concatenation escapes the base directory, base: {volume.mountpoint}, subpath: {subpath}"
            ) from error
        finally:
            os.close(top)

    def fill(self, volume: Volume, source: int) -> bool:
        """First use: copy the image's directory `source` (a descriptor) into an empty volume; see filling.py."""
        with explained(f"copy the image's content into volume {volume.name}", self._directory):
            return filling.fill(source, volume.mountpoint)

    def reconcile(self) -> None:
        """At start: finish or undo what a crash interrupted. Nobody else may use the store meanwhile."""
        with self._database.read() as c:
            known = {row[0] for row in c.execute("SELECT id FROM volume")}
        with explained("read the volumes", self._directory):
            present = set(os.listdir(self._directory))
        for name in present - known:
            self._remove_directory(name)
        for name in known:
            self._make_directory(name)
            filling.recover(self._directory / name / _DATA)

    def _make(self, name: str, labels: Mapping[str, str] | None, options: Mapping[str, str] | None) -> Volume:
        identity = secrets.token_hex(16)
        created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        try:
            with explained(f"create volume {name}", self._directory):
                self._make_directory(identity)
            with self._database.write(durable=True) as c:
                inserted = c.execute(
                    "INSERT INTO volume VALUES (?, ?, ?, ?, ?) ON CONFLICT (name) DO NOTHING",
                    (name, identity, created, _text(labels), _text(options)),
                ).rowcount
        except BaseException:
            self._remove_directory(identity)
            raise
        if not inserted:  # another caller was faster
            self._remove_directory(identity)
            return self.get(name)
        return Volume(identity, name, self._directory / identity / _DATA, created, labels=labels, options=options)

    def _make_directory(self, identity: str) -> None:
        (self._directory / identity).mkdir(mode=0o711, exist_ok=True)
        data = self._directory / identity / _DATA
        try:
            data.mkdir()
        except FileExistsError:
            return
        data.chmod(0o755)  # whatever the umask

    def _forget(self, volume: Volume) -> bool:
        """Remove the record; False when somebody else did."""
        with self._database.write(durable=True) as c:
            gone = c.execute("DELETE FROM volume WHERE name = ? AND id = ?", (volume.name, volume.id)).rowcount
        return bool(gone)

    def _remove_directory(self, identity: str) -> None:
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            # what can't go now (something mounted inside) has no row any more and goes at the next start
            with contextlib.suppress(OSError):
                remove_tree(descriptor, os.fsencode(identity), check=refuse_mount_root)
        finally:
            os.close(descriptor)

    def _volume(self, row: tuple[str, str, str, str | None, str | None]) -> Volume:
        name, identity, created, labels, options = row
        data = self._directory / identity / _DATA
        return Volume(identity, name, data, created, labels=_mapping(labels), options=_mapping(options))


def _not_accessible(top: Path, subpath: str, reason: str) -> str:
    """Docker's sentence, which names the whole path and the first part of it that is missing."""
    missing = top
    for part in subpath.split("/"):
        missing = missing / part
        if not os.path.lexists(missing):
            break
    return f"cannot access path {top / subpath}: lstat {missing}: {reason}"


def check_subpath(subpath: str) -> None:
    """Raises InvalidArgument for a subpath that is absolute or goes up out of the volume, whatever lies there."""
    depth = 0
    for part in subpath.split("/"):
        depth += {"..": -1, ".": 0, "": 0}.get(part, 1)
        if depth < 0:
            break
    if depth < 0 or subpath.startswith("/"):
        raise InvalidArgument(
            'invalid mount config for type "volume": subpath must be a relative path within the volume'
        )


def usage(directory: Path) -> int:
    """Bytes of the files below a directory, each inode once; what vanishes meanwhile counts nothing."""
    seen: set[tuple[int, int]] = set()
    total = 0
    with contextlib.suppress(FileNotFoundError):
        for _, _, files, descriptor in os.fwalk(directory, onerror=lambda _: None):
            total += sum(_sizes(files, descriptor, seen))
    return total


def _sizes(names: Iterable[str], directory: int, seen: set[tuple[int, int]]) -> Iterable[int]:
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            if status.st_nlink == 1:
                yield status.st_size
            elif (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                yield status.st_size


def _text(mapping: Mapping[str, str] | None) -> str | None:
    return None if mapping is None else msgspec.json.encode(dict(mapping)).decode()


def _mapping(text: str | None) -> dict[str, str] | None:
    return None if text is None else msgspec.json.decode(text, type=dict[str, str])
