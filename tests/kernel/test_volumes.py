"""Volumes on a real file system, with owners, devices and attributes: needs root."""

from __future__ import annotations

import os
import stat
import threading
from typing import TYPE_CHECKING

import pytest

from estiba.errors import Conflict, InvalidArgument, NotFound, SystemFailure
from estiba.store.database import Database
from estiba.volumes import filling
from estiba.volumes.local import VolumeStore, usage

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def nobody(name: str) -> list[str]:
    return []


@pytest.fixture
def database(tmp_path: Path):
    with Database(tmp_path / "estiba.db") as database:
        yield database


@pytest.fixture
def store(tmp_path: Path, database: Database) -> VolumeStore:
    return VolumeStore(tmp_path, database)


def image_content(top: Path) -> None:
    top.mkdir(mode=0o750)
    os.chown(top, 33, 34)
    (top / "d").mkdir()
    (top / "d/file").write_bytes(b"x" * 5000)
    os.chown(top / "d/file", 1000, 1001)
    (top / "d/file").chmod(0o4755)
    os.setxattr(top / "d/file", "user.k", b"v")
    os.link(top / "d/file", top / "hard")
    (top / "link").symlink_to("/etc")
    os.chown(top / "link", 5, 6, follow_symlinks=False)
    os.mkfifo(top / "fifo", 0o620)
    os.mknod(top / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    with open(top / "sparse", "wb") as f:
        f.truncate(1 << 30)
        f.seek(1 << 29)
        f.write(b"middle")
    (top / os.fsdecode(b"not-utf8-\xff")).touch()
    os.utime(top / "d", ns=(1_000_000_001, 2_000_000_002))
    os.utime(top, ns=(1_000_000_001, 3_000_000_003))


def description(top: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for path in [top, *sorted(top.rglob("*"))]:
        s = path.lstat()
        found[str(path.relative_to(top))] = (
            s.st_mode, s.st_uid, s.st_gid, s.st_mtime_ns, s.st_nlink if not path.is_dir() else 0, s.st_rdev,
            os.readlink(path) if path.is_symlink() else "",
            {n: os.getxattr(path, n, follow_symlinks=False) for n in os.listxattr(path, follow_symlinks=False)},
            path.read_bytes() if stat.S_ISREG(s.st_mode) and s.st_size < 1 << 20 else s.st_size,
        )  # fmt: skip
    return found


def test_life(store: VolumeStore, tmp_path: Path) -> None:
    volume = store.create("data", labels={"k": "v"})
    assert volume == store.get("data") == store.create("data", labels={"other": "x"})
    assert volume.mountpoint == tmp_path / "volumes" / volume.id / "_data"
    assert volume.mountpoint.stat().st_mode & 0o7777 == 0o755
    assert "data" not in str(volume.mountpoint.relative_to(tmp_path / "volumes")).split("/")
    (volume.mountpoint / "f").write_bytes(b"12345")
    assert store.usage("data") == 5
    with pytest.raises(Conflict, match=r"remove data: volume is in use - \[c1, c2\]"):
        store.remove("data", force=True, in_use=lambda name: ["c1", "c2"])
    assert store.remove("data", in_use=nobody)
    assert os.listdir(tmp_path / "volumes") == []
    with pytest.raises(NotFound, match="get data: no such volume"):
        store.remove("data", in_use=nobody)
    assert not store.remove("data", force=True, in_use=nobody)
    with pytest.raises(NotFound, match='create x2: error looking up volume plugin zz: plugin "zz" not found'):
        store.create("x2", driver="zz")


def test_anonymous_volumes_and_prune(store: VolumeStore) -> None:
    anonymous = store.create()
    assert len(anonymous.name) == 64
    assert anonymous.labels == {"com.docker.volume.anonymous": ""}
    (anonymous.mountpoint / "f").write_bytes(b"123")
    store.create("named")
    used = store.create()
    names, reclaimed = store.prune(in_use=lambda name: ["c"] if name == used.name else [])
    assert (names, reclaimed) == ([anonymous.name], 3)
    assert [v.name for v in store.list({"dangling": ["true"]}, in_use=nobody)] == sorted(["named", used.name])
    assert store.list({"dangling": ["false"]}, in_use=nobody) == []
    assert store.prune({"all": ["true"], "label!": ["com.docker.volume.anonymous"]}, in_use=nobody) == (["named"], 0)


def test_many_creators_make_one_volume(store: VolumeStore, tmp_path: Path) -> None:
    found = []
    threads = [threading.Thread(target=lambda: found.append(store.create("same").id)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert os.listdir(tmp_path / "volumes") == [found[0]]


def test_reconcile(store: VolumeStore, database: Database, tmp_path: Path) -> None:
    kept, lost = store.create("kept"), store.create("lost")
    (kept.mountpoint / "f").touch()
    os.rmdir(lost.mountpoint)
    orphan = tmp_path / "volumes/orphan/_data/x"
    orphan.mkdir(parents=True)
    again = VolumeStore(tmp_path, database)
    again.reconcile()
    assert sorted(os.listdir(tmp_path / "volumes")) == sorted([kept.id, lost.id])
    assert os.listdir(kept.mountpoint) == ["f"]
    assert os.listdir(lost.mountpoint) == []


def test_first_use_copies_everything(store: VolumeStore, tmp_path: Path) -> None:
    image_content(tmp_path / "content")
    before = description(tmp_path / "content")
    volume = store.create("v1")
    source = os.open(tmp_path / "content", os.O_RDONLY)
    try:
        assert store.fill(volume, source)
        assert description(volume.mountpoint) == before
        assert (volume.mountpoint / "sparse").stat().st_blocks < 1000
        assert os.listdir(volume.mountpoint.parent) == ["_data"]
        os.unlink(volume.mountpoint / "hard")
        assert not store.fill(volume, source), "a volume that is not empty is left alone"
        assert not (volume.mountpoint / "hard").exists()
    finally:
        os.close(source)
    assert usage(volume.mountpoint) > 5000


def test_an_empty_directory_gives_its_owner_and_mode(store: VolumeStore, tmp_path: Path) -> None:
    (tmp_path / "content").mkdir()
    (tmp_path / "content").chmod(0o1777)
    os.chown(tmp_path / "content", 7, 8)
    volume = store.create("v1")
    source = os.open(tmp_path / "content", os.O_RDONLY)
    try:
        assert store.fill(volume, source)
    finally:
        os.close(source)
    status = volume.mountpoint.stat()
    assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (0o1777, 7, 8)


def test_a_crash_before_the_copy_is_whole(store: VolumeStore) -> None:
    volume = store.create("v1")
    (volume.mountpoint.parent / "_copying/half").mkdir(parents=True)
    store.reconcile()
    assert os.listdir(volume.mountpoint.parent) == ["_data"]
    assert os.listdir(volume.mountpoint) == []


def test_a_crash_while_the_copy_moves_in(store: VolumeStore) -> None:
    volume = store.create("v1")
    copied = volume.mountpoint.parent / "_copied"
    copied.mkdir()
    copied.chmod(0o711)
    (copied / "second").write_bytes(b"2")
    (copied / "first").write_bytes(b"the image's")
    (volume.mountpoint / "first").write_bytes(b"1")
    store.reconcile()
    assert os.listdir(volume.mountpoint.parent) == ["_data"]
    assert {p.name: p.read_bytes() for p in volume.mountpoint.iterdir()} == {"first": b"1", "second": b"2"}
    assert volume.mountpoint.stat().st_mode & 0o777 == 0o711


def test_a_failed_copy_leaves_nothing(store: VolumeStore, tmp_path: Path) -> None:
    image_content(tmp_path / "content")
    volume = store.create("v1")
    source = os.open(tmp_path / "content", os.O_PATH)  # can't be read
    with pytest.raises(SystemFailure, match="cannot copy the image's content into volume v1: Bad file descriptor"):
        store.fill(volume, source)
    os.close(source)
    assert os.listdir(volume.mountpoint.parent) == ["_data"]


def test_links_do_not_lead_the_copy_out(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    content, target = tmp_path / "content", tmp_path / "target"
    content.mkdir()
    target.mkdir()
    (content / "dir").symlink_to(outside)
    fds = [os.open(content, os.O_RDONLY), os.open(target, os.O_RDONLY)]
    try:
        filling.copy_up(*fds)
    finally:
        for fd in fds:
            os.close(fd)
    assert (target / "dir").is_symlink()
    assert os.listdir(outside) == ["secret"]


def test_subpaths(store: VolumeStore) -> None:
    volume = store.create("v1")
    (volume.mountpoint / "sub").mkdir()
    (volume.mountpoint / "in").symlink_to("sub")
    (volume.mountpoint / "esc").symlink_to("/etc")
    (volume.mountpoint / "up").symlink_to("../../..")
    expected = {"": volume.mountpoint, "sub": volume.mountpoint / "sub", "in": volume.mountpoint / "sub"}
    for subpath, path in expected.items():
        descriptor = store.open_path(volume, subpath)
        assert os.path.samestat(os.fstat(descriptor), path.stat())
        os.close(descriptor)
    for subpath in ("esc", "up"):
        with pytest.raises(InvalidArgument, match=f"path concatenation escapes the base .*subpath: {subpath}"):
            store.open_path(volume, subpath)
    with pytest.raises(NotFound, match=r"cannot access path .*/no/dir: lstat .*/_data/no: no such file or directory"):
        store.open_path(volume, "no/dir")
