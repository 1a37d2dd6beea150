"""Attributes by descriptor and by (directory, name)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from estiba.linux import xattr

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def here(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "f").touch()
    try:
        os.setxattr(tmp_path / "f", "user.probe", b"")
        os.removexattr(tmp_path / "f", "user.probe")
    except OSError:
        pytest.skip("the file system of the temporary directory has no user attributes")
    descriptor = os.open(tmp_path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def test_files(here: int, tmp_path: Path) -> None:
    xattr.set_at(here, b"f", "user.a", b"1\0")
    assert xattr.get_at(here, "f", "user.a") == b"1\0"
    assert xattr.get_at(here, "f", "user.none") is None
    assert xattr.read_all_at(here, "f") == {b"user.a": b"1\0"}
    descriptor = os.open(tmp_path / "f", os.O_RDONLY)
    try:
        assert xattr.get(descriptor, "user.a") == b"1\0"
        assert xattr.get(descriptor, "user.none") is None
        assert xattr.read_all(descriptor) == {b"user.a": b"1\0"}
    finally:
        os.close(descriptor)


def test_a_link_has_its_own(here: int, tmp_path: Path) -> None:
    xattr.set_at(here, "f", "user.a", b"of the file")
    os.symlink("f", tmp_path / "l")
    assert xattr.read_all_at(here, "l") == {}
    if os.geteuid():
        return
    xattr.set_at(here, "l", "trusted.a", b"of the link")
    assert xattr.read_all_at(here, "l") == {b"trusted.a": b"of the link"}
    descriptor = os.open(tmp_path / "l", os.O_PATH | os.O_NOFOLLOW)
    try:
        assert xattr.read_all(xattr.path_of(descriptor)) == {b"trusted.a": b"of the link"}
    finally:
        os.close(descriptor)


def test_other_failures_are_raised(here: int) -> None:
    with pytest.raises(FileNotFoundError):
        xattr.get_at(here, "none", "user.a")
    with pytest.raises(FileNotFoundError):
        xattr.read_all_at(here, "none")


def test_where_there_are_none_at_all() -> None:
    descriptor = os.open("/proc/version", os.O_RDONLY)
    try:
        assert xattr.read_all(descriptor) == {}
        assert xattr.get(descriptor, "user.a") is None
    finally:
        os.close(descriptor)
