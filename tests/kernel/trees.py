"""Trees described entry by entry, by means of their own, and a real Debian root to try things on."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

DEBIAN = Path(os.environ.get("ESTIBA_TEST_DEBIAN", "/var/cache/estiba-tests/debian"))


class Node(NamedTuple):
    kind: int
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    device: int
    target: bytes
    content: str
    xattrs: tuple[tuple[str, bytes], ...]
    first: bytes  # the first name of the same file


def describe(root: Path | str, *, times: bool = True) -> dict[bytes, Node]:
    """Everything below a directory, hardlinks by their first name in order of names."""
    base = os.fsencode(root)
    names: dict[tuple[int, int], bytes] = {}
    nodes = {}
    for path in sorted(_walk(base)):
        full = os.path.join(base, path)
        found = os.lstat(full)
        kind = stat.S_IFMT(found.st_mode)
        first = (
            names.setdefault((found.st_dev, found.st_ino), path)
            if found.st_nlink > 1 and kind != stat.S_IFDIR
            else path
        )
        nodes[path] = Node(
            kind,
            stat.S_IMODE(found.st_mode) if kind != stat.S_IFLNK else 0,
            found.st_uid,
            found.st_gid,
            found.st_size if kind == stat.S_IFREG else 0,
            found.st_mtime_ns if times else 0,
            found.st_rdev,
            os.readlink(full) if kind == stat.S_IFLNK else b"",
            _hash(full, found) if kind == stat.S_IFREG else "",
            tuple(
                (name, os.getxattr(full, name, follow_symlinks=False))
                for name in sorted(os.listxattr(full, follow_symlinks=False))
                if not name.startswith("trusted.overlay.")
            ),
            first,
        )
    return nodes


def _walk(base: bytes) -> Iterator[bytes]:
    stack = [b""]
    while stack:
        path = stack.pop()
        for name in os.listdir(os.path.join(base, path)):
            below = os.path.join(path, name)
            yield below
            if stat.S_ISDIR(os.lstat(os.path.join(base, below)).st_mode):
                stack.append(below)


def _hash(path: bytes, found: os.stat_result) -> str:
    if found.st_size > 1 << 30:
        return f"{found.st_blocks} blocks"
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def assert_same(found: dict[bytes, Node], expected: dict[bytes, Node]) -> None:
    """Compare two descriptions, with a message that shows the first differences."""
    assert sorted(expected.keys() - found.keys())[:10] == []
    assert sorted(found.keys() - expected.keys())[:10] == []
    different = [(path, found[path], expected[path]) for path in expected if found[path] != expected[path]]
    assert different[:3] == []


def debian_root() -> Path:
    """A Debian root made once per machine with debootstrap (minbase); skips where that can't be."""
    if (DEBIAN / ".complete").exists():
        return DEBIAN
    if not shutil.which("debootstrap"):
        pytest.skip("needs a Debian root: debootstrap is not installed")
    DEBIAN.parent.mkdir(parents=True, exist_ok=True)
    with open(DEBIAN.parent / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (DEBIAN / ".complete").exists():
            shutil.rmtree(DEBIAN, ignore_errors=True)
            command = ["debootstrap", "--variant=minbase", "bookworm", str(DEBIAN), *_mirror("bookworm")]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"needs a Debian root: debootstrap failed: {done.stdout[-300:]}")
            (DEBIAN / ".complete").touch()
    return DEBIAN


def _mirror(suite: str) -> list[str]:
    """The mirror that this machine's own apt uses for the suite; without one debootstrap knows its own."""
    command = ["apt-get", "indextargets", "--format", "$(SITE) $(CODENAME)", "Created-By: Packages"]
    targets = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return [line.split()[0] for line in targets.splitlines() if line.endswith(f" {suite}")][:1]


@contextlib.contextmanager
def opened(path: Path | str) -> Iterator[int]:
    """A directory's descriptor."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
