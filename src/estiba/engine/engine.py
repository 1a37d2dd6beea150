"""The engine: owner of a root directory, and everything that can be done with the objects in it.

    Engine(root) ── takes the root's lock, brings records and kernel into agreement, serves ── close()

Blocking and thread-safe. Containers outlive it.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from estiba.engine.places import Places
from estiba.engine.wiring import wire
from estiba.errors import Conflict, SystemFailure
from estiba.store.atomic import write_file
from estiba.store.locks import RootLock
from estiba.store.roots import root_id

if TYPE_CHECKING:
    from types import TracebackType

DEFAULT_ROOT = Path("/var/lib/estiba")
DEFAULT_RUN = Path("/run/estiba")
DEFAULT_SOCKET = Path("/run/estiba.sock")


class Engine:
    """The engine of one root directory.

    Args:
        root: where images, containers and volumes are kept; made if missing.
        run: the top of the directories of this boot; another root than the default has its own below it.
        kind, socket: what others are told who find the root taken.

    Raises:
        Conflict: another engine has this root; the message names it.
        SystemFailure: not root, or the machine lacks something essential.
    """

    def __init__(
        self, root: Path | None = None, run: Path | None = None, *, kind: str = "library", socket: str = ""
    ) -> None:
        if os.geteuid() != 0:
            raise SystemFailure("cannot start an engine: it needs root; run it with sudo, or use a running one")
        self._pid = os.getpid()
        self._stack = ExitStack()
        with ExitStack() as stack:
            places = make_places(root or DEFAULT_ROOT, run or DEFAULT_RUN)
            lock = stack.enter_context(RootLock(places.root).acquire(kind=kind, socket=socket))
            self.lock = lock
            claim_run_directory(places)
            stack.callback(remove_run_directory, places)
            parts, use_cases = wire(places, stack)
            self.parts = parts
            self.places = places
            self.containers = use_cases.containers
            self.execs = parts.execs
            self.images = parts.storage.images
            self.volumes = parts.storage.volumes
            self.networks = parts.storage.networks
            self.events = parts.storage.journal
            self.system = use_cases.system
            use_cases.reconciler.run()
            self._stack = stack.pop_all()

    def check_process(self) -> None:
        """Raises Conflict in a forked child: threads and descriptors of the parent do not work there."""
        if os.getpid() != self._pid:
            raise Conflict("cannot use this engine after fork(); open another one, or connect() to its socket")

    def close(self) -> None:
        """Let go of everything; containers run on. Idempotent."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def claim_run_directory(places: Places) -> None:
    """Note which run directory this root uses. Raises Conflict while containers run that only another one knows of."""
    note = places.root / "run-directory"
    try:
        earlier = Path(note.read_text(encoding="utf-8"))
    except FileNotFoundError:
        write_file(note, str(places.run_dir).encode())
        return
    if earlier == places.run_dir:
        return  # nothing is written: the disk may be full
    try:
        known = any((earlier / "c").iterdir())
    except FileNotFoundError:  # of an earlier boot
        known = False
    if known:
        usual = earlier.parent if earlier.name == places.root_id else earlier
        raise Conflict(
            f"cannot use the run directory {places.run_dir}: containers of {places.root} run below {earlier}; "
            f"start with --run-dir {usual}, or end them first"
        )
    write_file(note, str(places.run_dir).encode())


def remove_run_directory(places: Places) -> None:
    """Leave no directory of this boot behind when no container runs."""
    with suppress(OSError):
        for directory in (places.run_dir / "c", places.run_dir / "rootfs", places.run_dir):
            directory.rmdir()


def make_places(root: Path, run: Path) -> Places:
    """The directories of a root, made if missing. The default root uses the run directory's top itself."""
    root.mkdir(mode=0o710, parents=True, exist_ok=True)
    root = root.resolve()
    for name in ("containers", "tmp", "trash"):
        (root / name).mkdir(mode=0o710, exist_ok=True)
    run.mkdir(mode=0o711, parents=True, exist_ok=True)
    if root == DEFAULT_ROOT:
        identity, run_dir = "default", run
    else:
        identity = root_id(root.stat())
        run_dir = run / identity
    for directory in (run_dir, run_dir / "rootfs", run_dir / "c"):
        directory.mkdir(mode=0o700, exist_ok=True)
    return Places(root=root, run_dir=run_dir, root_id=identity)
