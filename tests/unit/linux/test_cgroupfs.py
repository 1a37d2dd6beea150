from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from estiba.linux import cgroupfs

if TYPE_CHECKING:
    from pathlib import Path

HYBRID = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,release_agent=/x,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
99 31 0:32 /part /srv/a\\040b rw,relatime - cgroup cgroup rw,memory
"""
HYBRID_OWN = "4:memory:/process/x\n2:cpu,cpuacct:/\n1:name=systemd:/unit\n0::/scope\n"
V2 = "31 23 0:28 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"


def test_hybrid_layout() -> None:
    found = cgroupfs.parse(HYBRID, HYBRID_OWN)
    assert found.layout == "hybrid"
    assert [hierarchy.controllers for hierarchy in found.v1] == [("cpu", "cpuacct"), ("memory",), ("name=systemd",)]
    memory = found.hierarchy("memory")
    assert memory
    assert (memory.mount, memory.own, memory.root) == ("/sys/fs/cgroup/memory", "/process/x", "/")
    assert found.hierarchy("cpuacct") is found.hierarchy("cpu")
    assert found.unified
    assert (found.unified.mount, found.unified.own) == ("/sys/fs/cgroup/unified", "/scope")


def test_v1_layout() -> None:
    text = "".join(line + "\n" for line in HYBRID.splitlines() if "cgroup2" not in line)
    assert cgroupfs.parse(text, HYBRID_OWN).layout == "v1"


def test_v2_layout() -> None:
    found = cgroupfs.parse(V2, "0::/init.scope\n")
    assert found.layout == "v2"
    assert found.v1 == ()
    assert found.unified
    assert found.unified.own == "/init.scope"


def test_v2_with_only_systemds_v1_hierarchy_is_v2() -> None:
    text = V2 + "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n"
    assert cgroupfs.parse(text, "0::/\n").layout == "v2"


def test_nothing_mounted() -> None:
    assert cgroupfs.parse("22 27 0:21 / /proc rw,relatime - proc proc rw\n", "").layout == "none"


def test_blanks_in_mount_points() -> None:
    text = "99 31 0:32 /part /srv/a\\040b rw,relatime - cgroup cgroup rw,memory\n"
    hierarchy = cgroupfs.parse(text, "").v1[0]
    assert (hierarchy.mount, hierarchy.root) == ("/srv/a b", "/part")


def test_this_machine() -> None:
    found = cgroupfs.detect()
    assert found.layout in ("v1", "v2", "hybrid", "none")
    for hierarchy in found.v1:
        assert os.path.isdir(hierarchy.mount)


def test_flat_keyed_skips_what_is_no_number() -> None:
    assert cgroupfs.flat_keyed("a 1\nb x\nc\nlow 0\n") == {"a": 1, "low": 0}


def test_files_are_read_and_written_relative_to_a_descriptor(tmp_path: Path) -> None:
    (tmp_path / "value").write_text("old\n")
    fd = os.open(tmp_path, os.O_PATH)
    try:
        assert cgroupfs.read("value", fd) == "old"
        cgroupfs.write("value", "new", fd)
        assert cgroupfs.read("value", fd) == "new"
        with pytest.raises(FileNotFoundError):
            cgroupfs.read("nothing", fd)
    finally:
        os.close(fd)


def test_trees_are_removed_from_the_leaves(tmp_path: Path) -> None:
    (tmp_path / "a/b/c").mkdir(parents=True)
    (tmp_path / "a/d").mkdir()
    cgroupfs.remove(str(tmp_path / "a"), time.monotonic())
    assert not (tmp_path / "a").exists()
    cgroupfs.remove(str(tmp_path / "a"), time.monotonic())
    assert cgroupfs.children(str(tmp_path / "a")) == []
    assert cgroupfs.pids(str(tmp_path / "a")) == []


def test_a_directory_that_stays_busy_is_an_error_after_the_deadline(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/file").touch()
    with pytest.raises(OSError, match="not empty"):
        cgroupfs.remove(str(tmp_path / "a"), time.monotonic() + 0.01)
