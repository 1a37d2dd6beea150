"""A runtime in a test's own directory with a busybox root: starts containers, waits for events, checks for leaks."""

from __future__ import annotations

import functools
import io
import os
import select
import socket
import subprocess
import tarfile
import tempfile
import time
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import pytest
from tests.support.images import busybox_tar
from tests.support.leaks import take_inventory, wait_until_clean

from estiba.linux.host import detect
from estiba.oci.runtime_spec import Linux, Mount, Namespace, Process, Resources, Root, Spec
from estiba.runtime.cgroups import CgroupDriver
from estiba.runtime.create import Bundle, LogFile, Runtime
from estiba.runtime.monitor import Attachment, Event, Exited, Lost, Shim

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DEADLINE = 20.0
ROOT = Path(__file__).parents[2]
NAMESPACES = ("pid", "mount", "ipc", "uts", "network")
MOUNTS = [
    Mount(destination="/proc", type="proc", source="proc", options=["nosuid", "noexec", "nodev"]),
    Mount(destination="/dev", type="tmpfs", source="tmpfs", options=["nosuid", "strictatime", "mode=755"]),
    Mount(
        destination="/dev/pts",
        type="devpts",
        source="devpts",
        options=["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    ),
    Mount(destination="/tmp", type="tmpfs", source="tmpfs", options=["mode=1777"]),
]


def built_shim() -> Path:
    """The shim's program: ESTIBA_SHIM, or built from native/ here."""
    if "ESTIBA_SHIM" in os.environ:
        return Path(os.environ["ESTIBA_SHIM"])
    return _build()


@functools.cache
def _build() -> Path:
    target = ROOT / "src" / "estiba" / "bin"
    target.mkdir(exist_ok=True)
    subprocess.run(["make", "-s", "-C", str(ROOT / "native"), f"OUT={target}", str(target / "estiba-shim")], check=True)
    return target / "estiba-shim"


@functools.cache
def busybox_root() -> tempfile.TemporaryDirectory[str]:
    """A root directory around busybox, made once per run of the tests and never written to."""
    directory = tempfile.TemporaryDirectory(prefix="estiba-root-")
    with tarfile.open(fileobj=io.BytesIO(busybox_tar())) as archive:
        archive.extractall(directory.name, filter="tar")
    for name in ("proc", "dev", "sys"):
        os.mkdir(f"{directory.name}/{name}")
    return directory


class Bench:
    """One test's runtime. Everything started through it is ended by `close()`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.root_id = f"t{uuid.uuid4().hex[:8]}"
        self.driver = CgroupDriver(detect(), f"/estiba/{self.root_id}")
        self.runtime = self.new_runtime()
        self.log = LogFile(directory, "c-json.log", -1, 1)
        self._ids: list[str] = []
        self._shims: list[Shim] = []
        self.sockets: list[socket.socket] = []

    def new_runtime(self) -> Runtime:
        """Another engine's runtime on the same directory."""
        return Runtime(
            directory=self.directory / "run", root_id=self.root_id, cgroups=self.driver, program=built_shim()
        )

    def spec(self, args: Sequence[str], *, terminal: bool = False, resources: Resources | None = None) -> Spec:
        """A container of the busybox root with namespaces of its own."""
        return Spec(
            root=Root(path=busybox_root().name),
            process=self.process(args, terminal=terminal),
            mounts=MOUNTS,
            linux=Linux(
                namespaces=[Namespace(type=kind) for kind in NAMESPACES],
                cgroups_path=f"/estiba/{self.root_id}/{uuid.uuid4().hex[:12]}",
                resources=resources or Resources(),
            ),
        )

    @staticmethod
    def process(args: Sequence[str], *, terminal: bool = False) -> Process:
        """A process with a PATH."""
        return Process(args=list(args), env=["PATH=/bin", "TERM=dumb"], terminal=terminal)

    def bundle(
        self,
        *args: str,
        spec: Spec | None = None,
        terminal: bool = False,
        stdin: bool = False,
        once: bool = False,
        log: LogFile | None = None,
        no_log: bool = False,
        name: str | None = None,
    ) -> Bundle:
        """A bundle for a command line in a busybox container."""
        name = name or uuid.uuid4().hex[:12]
        self._ids.append(name)
        return Bundle(
            id=name,
            spec=spec or self.spec(args, terminal=terminal),
            directory=self.runtime.container_directory(name),
            log=None if no_log else log or self.log,
            open_stdin=stdin,
            stdin_once=once,
        )

    def start(self, bundle: Bundle, attachments: Sequence[Attachment] = ()) -> Shim:
        """Start; the shim is closed with the bench."""
        shim = self.runtime.start(bundle, attachments)
        self._shims.append(shim)
        return shim

    def run(self, *args: str, attachments: Sequence[Attachment] = (), **options: object) -> Shim:
        """Start a command line."""
        return self.start(self.bundle(*args, **options), attachments)  # type: ignore[arg-type]

    def own(self, shim: Shim) -> Shim:
        """Close this shim with the bench."""
        self._shims.append(shim)
        return shim

    def client(self, **options: object) -> tuple[socket.socket, Attachment]:
        """A client's socket and the attachment of its other end: all streams, framed, unless told otherwise."""
        ours, theirs = socket.socketpair()
        ours.settimeout(DEADLINE)
        self.sockets.append(ours)
        wanted: dict[str, object] = {"stdin": True, "stdout": True, "stderr": True, "framed": True, **options}
        return ours, Attachment(descriptor=theirs.detach(), **wanted)  # type: ignore[arg-type]

    def log_text(self) -> str:
        """The log file as it is."""
        return (self.log.directory / self.log.name).read_text()

    def close(self) -> None:
        """End every container, release everything."""
        for ours in self.sockets:
            ours.close()
        for name in self._ids:
            self.runtime.cleanup(name)
        for shim in self._shims:
            shim.close()
        deadline = time.monotonic() + DEADLINE
        while self.runtime._program._children and time.monotonic() < deadline:
            self.runtime.reap()
            time.sleep(0.005)
        self.runtime.close()
        self.driver.remove_base()
        self.driver.close()


@contextmanager
def bench(directory: Path) -> Iterator[Bench]:
    """A bench whose test must leave nothing behind."""
    if os.geteuid():
        pytest.skip("containers need root")
    busybox_root()
    built_shim()
    detect()
    before = take_inventory()
    made = Bench(directory)
    try:
        yield made
    finally:
        made.close()
    assert wait_until_clean(before, made.root_id) == {}


_KEPT: WeakKeyDictionary[Shim, list[Event]] = WeakKeyDictionary()
"""Events that came together with the one that a test waited for."""


def next_events(shim: Shim, seconds: float = DEADLINE) -> list[Event]:
    """The next events; TimeoutError when there are none in time."""
    if kept := _KEPT.pop(shim, None):
        return kept
    if not select.select([shim], [], [], seconds)[0]:
        raise TimeoutError("no event came")
    return shim.read_events()


def wait_event(shim: Shim, kind: type[Event] | tuple[type[Event], ...], seconds: float = DEADLINE) -> Event:
    """The first event of a kind; what comes before it is dropped."""
    deadline = time.monotonic() + seconds
    while True:
        events = next_events(shim, max(0.0, deadline - time.monotonic()))
        for number, event in enumerate(events, 1):
            if isinstance(event, kind):
                _KEPT[shim] = events[number:]
                return event


def wait_exit(shim: Shim, seconds: float = DEADLINE) -> Exited:
    """The end of the program; an AssertionError if the shim was lost. Closes the shim, as an engine does."""
    event = wait_event(shim, (Exited, Lost), seconds)
    shim.close()
    assert isinstance(event, Exited)
    return event


def read_all(client: socket.socket) -> bytes:
    """Everything until the other side closes."""
    parts = []
    while part := client.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def read_until(client: socket.socket, text: bytes) -> bytes:
    """Everything up to a text, which has to come."""
    data = b""
    while text not in data:
        part = client.recv(1 << 16)
        if not part:
            raise AssertionError(f"the stream ended with {data[-200:]!r}, without {text!r}")
        data += part
    return data


def frames(data: bytes) -> list[tuple[int, bytes]]:
    """(stream, text) of Docker's frames, neighbours of one stream joined."""
    found: list[tuple[int, bytes]] = []
    while data:
        assert len(data) >= 8, data
        stream, size = data[0], int.from_bytes(data[4:8])
        assert data[1:4] == bytes(3)
        assert len(data) >= 8 + size
        text, data = data[8 : 8 + size], data[8 + size :]
        if found and found[-1][0] == stream:
            text = found.pop()[1] + text
        found.append((stream, text))
    return found
