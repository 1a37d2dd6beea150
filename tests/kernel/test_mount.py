"""The mount calls, in a mount namespace of a thread's own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from estiba.linux import mount as m
from estiba.linux.mount_namespaces import in_own_mounts

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def tmpfs(**attributes: int) -> int:
    context = m.fsopen("tmpfs")
    try:
        m.fsconfig_string(context, "size", "1m")
        m.fsconfig_string(context, "mode", "750")
        m.fsconfig_create(context)
        return m.fsmount(context, attributes.get("attributes", 0))
    finally:
        os.close(context)


def listed(tree: int) -> list[str]:
    directory = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=tree)
    try:
        return os.listdir(directory)
    finally:
        os.close(directory)


def test_a_detached_tree_is_seen_by_nobody(tmp_path: Path) -> None:
    before = open_mounts()
    tree = tmpfs()
    try:
        os.mkdir("d", dir_fd=tree)
        assert listed(tree) == ["d"]
        assert os.fstat(tree).st_mode & 0o777 == 0o750
        assert open_mounts() == before
    finally:
        os.close(tree)


def open_mounts() -> int:
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        return len(mounts.readlines())


def test_attaching_cloning_and_restricting(tmp_path: Path) -> None:
    (tmp_path / "at").mkdir()

    def work() -> int:
        tree = tmpfs()
        target = os.open(tmp_path / "at", os.O_PATH)
        try:
            m.move_mount(tree, target)
            (tmp_path / "at/f").touch()
            clone = m.open_tree(target, str(tmp_path / "at"))
            m.mount_setattr(clone, enable=m.MOUNT_ATTR_RDONLY, recursive=True)
            m.umount2(str(tmp_path / "at"), m.MNT_DETACH)
            return clone
        finally:
            os.close(tree)
            os.close(target)

    clone = in_own_mounts(work)
    try:
        assert listed(clone) == ["f"]
        with pytest.raises(OSError, match="Read-only"):
            os.mkdir("x", dir_fd=clone)
    finally:
        os.close(clone)
    assert os.listdir(tmp_path / "at") == []


def test_binds_of_the_old_way(tmp_path: Path) -> None:
    for name in ("a/sub", "b"):
        (tmp_path / name).mkdir(parents=True)

    def work() -> list[str]:
        m.mount(str(tmp_path / "a"), str(tmp_path / "b"), None, m.MS_BIND)
        try:
            return os.listdir(tmp_path / "b")
        finally:
            m.umount2(str(tmp_path / "b"))

    assert in_own_mounts(work) == ["sub"]
    assert os.listdir(tmp_path / "b") == []


def test_failures_name_what_failed(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        m.mount("x", str(tmp_path / "none"), "tmpfs")
    assert raised.value.filename == str(tmp_path / "none")
    with pytest.raises(OSError) as failed:
        m.umount2(str(tmp_path))
    assert failed.value.filename == str(tmp_path)
    with pytest.raises(OSError) as unknown:
        m.fsopen("nosuchfs")
    assert unknown.value.filename == "nosuchfs"


def test_the_kernels_own_words_are_in_the_error(tmp_path: Path) -> None:
    context = m.fsopen("tmpfs")
    try:
        with pytest.raises(OSError, match=r"Bad value for 'size'.*size=zz"):
            m.fsconfig_string(context, "size", "zz")
    finally:
        os.close(context)
