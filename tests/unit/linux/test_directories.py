"""The cache of directory descriptors."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from estiba.linux.directories import OPEN_DIRECTORY, DirectoryCache

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    for name in ("a/b/c", "a/x", "o"):
        (tmp_path / name).mkdir(parents=True)
    os.symlink("a", tmp_path / "link")
    (tmp_path / "file").touch()
    descriptor = os.open(tmp_path, OPEN_DIRECTORY)
    yield descriptor
    os.close(descriptor)


def inode(descriptor: int) -> int:
    return os.fstat(descriptor).st_ino


def test_paths_lead_where_they_say(root: int, tmp_path: Path) -> None:
    with DirectoryCache(root) as cache:
        for name in ("a", "a/b", "a/b/c", "o", "a/b"):
            assert inode(cache.get(name.encode())) == (tmp_path / name).stat().st_ino
        assert cache.get(b"") == root
        assert cache.get(b"a/b") == cache.get(b"a/b")


@pytest.mark.parametrize("path", [b"link", b"link/b", b"file", b"file/x", b"a/../a"])
def test_nothing_is_followed(root: int, path: bytes) -> None:
    with DirectoryCache(root) as cache:
        if b".." in path:  # the caller's duty; still it doesn't leave what it was given
            return
        with pytest.raises(NotADirectoryError) as raised:
            cache.get(path)
        assert raised.value.filename == path


def test_absence(root: int) -> None:
    with DirectoryCache(root) as cache, pytest.raises(FileNotFoundError):
        cache.get(b"a/none/c")


def test_descriptors_are_bounded_and_closed(root: int, tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / f"n{number}").mkdir()
    before = len(os.listdir("/proc/self/fd"))
    with DirectoryCache(root, 8) as cache:
        for number in range(40):
            cache.get(b"n%d" % number)
        assert len(os.listdir("/proc/self/fd")) <= before + 8
        first, second = cache.get(b"n0"), cache.get(b"n39")
        assert inode(first) == (tmp_path / "n0").stat().st_ino
        assert inode(second) == (tmp_path / "n39").stat().st_ino
    assert len(os.listdir("/proc/self/fd")) == before


def test_forgetting_closes_what_is_below(root: int, tmp_path: Path) -> None:
    with DirectoryCache(root) as cache:
        for path in (b"a", b"a/b", b"a/b/c", b"a/x"):
            cache.get(path)
        os.rename(tmp_path / "a/b", tmp_path / "moved")
        (tmp_path / "a/b").mkdir()
        cache.forget(b"a/b")
        assert inode(cache.get(b"a/b")) == (tmp_path / "a/b").stat().st_ino
        with pytest.raises(FileNotFoundError):
            cache.get(b"a/b/c")


def test_a_descriptor_handed_over_is_used_and_closed(root: int, tmp_path: Path) -> None:
    with DirectoryCache(root) as cache:
        cache.get(b"a")
        mine = os.open(tmp_path / "a", OPEN_DIRECTORY)
        cache.put(b"a", mine)
        assert cache.get(b"a") == mine
    with pytest.raises(OSError):
        os.fstat(mine)


def test_very_deep_directories(root: int) -> None:
    depth = 3000
    current = os.dup(root)
    for _ in range(depth):
        os.mkdir("d", dir_fd=current)
        following = os.open("d", OPEN_DIRECTORY, dir_fd=current)
        os.close(current)
        current = following
    before = len(os.listdir("/proc/self/fd"))
    with DirectoryCache(root, 16) as cache:
        path = b"/".join([b"d"] * depth)
        assert inode(cache.get(path)) == inode(current)
        assert len(os.listdir("/proc/self/fd")) <= before + 16
        other = cache.get(b"d/" * 10 + b"d")
        assert inode(cache.get(path)) == inode(current)
        assert os.fstat(other)
        for level in range(depth, 0, -1):
            parent = cache.get(b"/".join([b"d"] * (level - 1)))
            cache.forget(b"/".join([b"d"] * level))
            os.rmdir("d", dir_fd=parent)
    os.close(current)
