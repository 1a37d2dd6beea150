"""openat2: what may be left, and what may not."""

from __future__ import annotations

import errno
import os
import threading
from typing import TYPE_CHECKING

import pytest

from estiba.linux.openat2 import RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, open_in_root, openat2

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/f").write_bytes(b"outside")
    place = tmp_path / "root"
    (place / "d").mkdir(parents=True)
    (place / "f").write_bytes(b"inside")
    os.symlink("/f", place / "abs")
    os.symlink("../../../../f", place / "d/up")
    os.symlink("../outside/f", place / "out")
    os.symlink("loop", place / "loop")
    descriptor = os.open(place, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def content(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 100)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("path", ["f", "/f", "abs", "d/up", "../f", "../../../f", "d/../f"])
def test_every_way_stays_inside(root: int, path: str) -> None:
    assert content(open_in_root(root, path, os.O_RDONLY)) == b"inside"


@pytest.mark.parametrize(
    ("path", "number"), [("out", errno.ENOENT), ("none", errno.ENOENT), ("loop", errno.ELOOP), ("f/x", errno.ENOTDIR)]
)
def test_errors_name_the_path(root: int, path: str, number: int) -> None:
    with pytest.raises(OSError) as raised:
        open_in_root(root, path)
    assert (raised.value.errno, raised.value.filename) == (number, path)


def test_other_rules(root: int) -> None:
    for path, resolve in (("abs", RESOLVE_NO_SYMLINKS), ("abs", RESOLVE_BENEATH), ("../outside/f", RESOLVE_BENEATH)):
        with pytest.raises(OSError):
            openat2(root, path, os.O_RDONLY, resolve=resolve)


def test_magic_links_are_refused(root: int, tmp_path: Path) -> None:
    os.symlink("/proc/self/cwd", tmp_path / "root/magic")
    with pytest.raises(OSError):
        open_in_root(root, "magic/x")


def test_descriptors_are_closed_on_exec_and_nul_is_refused(root: int) -> None:
    descriptor = open_in_root(root, b"f")
    assert not os.get_inheritable(descriptor)
    os.close(descriptor)
    with pytest.raises(OSError):
        open_in_root(root, "f\0x")


def test_creation(root: int) -> None:
    os.close(open_in_root(root, "d/new", os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode=0o640))
    assert os.stat("d/new", dir_fd=root).st_mode & 0o777 == 0o640


def test_renames_nearby_are_survived(root: int, tmp_path: Path) -> None:
    """EAGAIN of `..` during renames is tried again."""
    stop = threading.Event()

    def rename() -> None:
        while not stop.is_set():
            (tmp_path / "one").mkdir(exist_ok=True)
            os.rename(tmp_path / "one", tmp_path / "two")
            os.rmdir(tmp_path / "two")

    thread = threading.Thread(target=rename)
    thread.start()
    try:
        for _ in range(2000):
            assert content(open_in_root(root, "d/../d/../d/up", os.O_RDONLY)) == b"inside"
    finally:
        stop.set()
        thread.join()
