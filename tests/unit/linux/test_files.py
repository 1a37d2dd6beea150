"""Copies with holes, sizes, removal."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from estiba.linux.directories import OPEN_DIRECTORY
from estiba.linux.files import copy_data, data_extents, is_mount_root, remove_tree, tree_size, write_all

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def here(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path, OPEN_DIRECTORY)
    yield descriptor
    os.close(descriptor)


def test_write_all_goes_on_after_a_short_write() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, True)
    import threading

    received = bytearray()

    def read() -> None:
        while data := os.read(reading, 4096):
            received.extend(data)

    thread = threading.Thread(target=read)
    thread.start()
    data = os.urandom(1_000_000)
    write_all(writing, memoryview(data))
    os.close(writing)
    thread.join()
    os.close(reading)
    assert bytes(received) == data


def test_holes_are_copied_as_holes(tmp_path: Path) -> None:
    with (tmp_path / "s").open("wb") as source:
        source.truncate(1 << 30)
        source.seek(1 << 20)
        source.write(b"data" * 5000)
    reading = os.open(tmp_path / "s", os.O_RDONLY)
    writing = os.open(tmp_path / "t", os.O_WRONLY | os.O_CREAT)
    try:
        extents = list(data_extents(reading, 1 << 30))
        assert sum(length for _, length in extents) < 1 << 20
        copy_data(reading, writing, 1 << 30)
    finally:
        os.close(reading)
        os.close(writing)
    found = (tmp_path / "t").stat()
    assert (found.st_size, found.st_blocks * 512 < 1 << 20) == (1 << 30, True)
    with (tmp_path / "t").open("rb") as file:
        file.seek(1 << 20)
        assert file.read(20001) == b"data" * 5000 + b"\0"


def test_extents_of_nothing_and_of_a_hole(tmp_path: Path) -> None:
    with (tmp_path / "f").open("wb") as file:
        assert list(data_extents(file.fileno(), 0)) == []
        file.truncate(1 << 20)
        assert list(data_extents(file.fileno(), 1 << 20)) == []


def test_tree_size_counts_each_file_once(tmp_path: Path, here: int) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/f").write_bytes(b"x" * 1000)
    os.link(tmp_path / "d/f", tmp_path / "d/g")
    os.symlink("four", tmp_path / "l")
    assert tree_size(here) == 1004


def test_removal_follows_nothing(tmp_path: Path, here: int) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/f").touch()
    (tmp_path / "t/d/e").mkdir(parents=True)
    for name in ("t/l", "t/d/l"):
        os.symlink(tmp_path / "kept", tmp_path / name)
    os.symlink("kept", tmp_path / "link")
    for name in (b"t", b"link", b"absent"):
        assert remove_tree(here, name)
    assert os.listdir(tmp_path) == ["kept"]
    assert os.listdir(tmp_path / "kept") == ["f"]


def test_removal_can_be_stopped_and_vetoed(tmp_path: Path, here: int) -> None:
    (tmp_path / "t/d").mkdir(parents=True)
    assert not remove_tree(here, b"t", stopped=lambda: True)
    assert (tmp_path / "t/d").exists()

    def veto(directory: int, name: bytes) -> None:
        if name == b"d":
            raise PermissionError(1, "no")

    with pytest.raises(PermissionError):
        remove_tree(here, b"t", check=veto)
    assert (tmp_path / "t/d").exists()


def test_wide_directories(tmp_path: Path, here: int) -> None:
    for number in range(3000):
        (tmp_path / f"t/{number}").mkdir(parents=True)
    assert remove_tree(here, b"t")


def test_mount_roots() -> None:
    root = os.open("/", OPEN_DIRECTORY)
    try:
        assert is_mount_root(root, b"proc")
        assert not is_mount_root(root, b"etc/passwd")
        with pytest.raises(FileNotFoundError):
            is_mount_root(root, b"none such")
    finally:
        os.close(root)
