"""Layers and overlay snapshots on the real kernel."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.kernel.trees import assert_same, debian_root, describe, opened
from tests.unit.images import archives as a

from estiba.errors import Conflict, InvalidArgument, NotFound
from estiba.images.layering import unpack_layer
from estiba.images.pack import pack_tree, pack_upper
from estiba.linux.mount_namespaces import in_own_mounts
from estiba.oci.digest import chain_ids
from estiba.snapshots import assemble
from estiba.snapshots.layers import Layer, Layers, NewLayer
from estiba.snapshots.overlay import OverlaySnapshots
from estiba.store.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


class Store:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.database = Database(root / "db")
        self.layers = Layers(root, self.database)
        self.snapshots = OverlaySnapshots(root, self.layers)

    def load(self, *archives: bytes) -> list[str]:
        """Unpack a stack of layer archives; their keys, bottom first."""
        diff_ids = [f"sha256:{hashlib.sha256(data).hexdigest()}" for data in archives]
        for count in range(1, len(archives) + 1):
            data = archives[count - 1]
            unpack_layer(self.layers, diff_ids[:count], lambda data=data: io.BytesIO(data))  # type: ignore[misc]
        return list(chain_ids(diff_ids))

    def close(self) -> None:
        self.layers.close()
        self.database.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path)
    yield made
    made.close()
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        assert str(tmp_path) not in mounts.read()


def names(descriptor: int, path: str = ".") -> list[str]:
    with opened(f"/proc/self/fd/{descriptor}/{path}") as directory:
        return sorted(os.listdir(directory))


def read(descriptor: int, path: str) -> bytes:
    return Path(f"/proc/self/fd/{descriptor}/{path}").read_bytes()


BASE = a.archive(
    a.directory("d"), a.member("d/one", data=b"1"), a.member("d/two", data=b"2"), a.member("gone", data=b"g")
)
SECOND = a.archive(a.member("d/two", data=b"two"), a.member(".wh.gone"), a.hardlink("hard", "d/one"))
THIRD = a.archive(a.directory("d"), a.member("d/.wh..wh..opq"), a.member("d/three", data=b"3"))


def test_a_stack_shows_what_its_layers_say(store: Store) -> None:
    keys = store.load(BASE, SECOND, THIRD)
    with store.snapshots.open_view(keys[:2]) as root:
        assert names(root) == ["d", "hard"]
        assert read(root, "d/two") == b"two"
        assert os.stat("hard", dir_fd=root).st_ino == os.stat("d/one", dir_fd=root).st_ino
    with store.snapshots.open_view(keys) as root:
        assert names(root, "d") == ["three"]
        assert names(root) == ["d", "hard"]
    with store.snapshots.open_view(keys[:1]) as root:
        assert names(root) == ["d", "gone"]
        with pytest.raises(OSError, match="Read-only"):
            os.mkdir("x", dir_fd=root)
    with store.snapshots.open_view([]) as root:
        assert names(root) == []


def test_layers_are_shared_and_made_once(store: Store) -> None:
    first = store.load(BASE, SECOND)
    other = store.load(BASE, THIRD)
    assert first[0] == other[0]
    assert [layer.number for layer in store.layers.list()] == [1, 2, 3]
    assert store.layers.get(first[0]).size == 3
    assert store.layers.stack(first[1]) == tuple(first)


def test_many_threads_wanting_one_layer_make_it_once(store: Store) -> None:
    count = 0
    failures: list[BaseException] = []
    begin = threading.Barrier(8)

    def fill(new: NewLayer, lower: int | None) -> None:
        nonlocal count
        count += 1
        os.mkdir("made", dir_fd=new.descriptor)

    def want() -> None:
        begin.wait()
        try:
            store.layers.ensure("key", None, fill)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=want) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (count, failures) == (1, [])


def test_after_a_failed_attempt_the_next_one_makes_it(store: Store) -> None:
    def fail(new: NewLayer, lower: int | None) -> None:
        raise InvalidArgument("bad")

    with pytest.raises(InvalidArgument):
        store.layers.ensure("key", None, fail)
    store.layers.ensure("key", None, lambda new, lower: None)


def test_the_same_layer_made_twice_at_once_is_kept_once(store: Store) -> None:
    with store.layers.create("key"):
        with store.layers.create("key"):
            pass
    assert [layer.number for layer in store.layers.list()] == [2]
    assert store.layers.trash.drain(5)
    assert sorted(os.listdir(store.root / "layers")) == ["2", "bottom", "empty", "place"]


def test_a_layer_with_another_content_than_its_diff_id_is_refused(store: Store) -> None:
    with pytest.raises(InvalidArgument, match=r"layer sha256:00.* has the content of sha256:"):
        unpack_layer(store.layers, ["sha256:" + "0" * 64], lambda: io.BytesIO(BASE))
    assert store.layers.list() == []


def test_records_appear_with_sync_and_survive(store: Store, tmp_path: Path) -> None:
    keys = store.load(BASE)
    with store.layers.create("init:x", overlays=[("/usr", "/usr")]):
        pass
    store.close()
    again = Store(tmp_path)
    try:  # not synced: as if it had never been
        assert [layer.key for layer in again.layers.list()] == ["init:x"]
        assert again.layers.get("init:x").overlays == (("/usr", "/usr"),)
        assert again.load(BASE) == keys
        again.layers.sync()
        assert again.layers.trash.drain(5)
    finally:
        again.close()
    third = Store(tmp_path)
    third.close()
    assert third.layers.get(keys[0]) == Layer(3, keys[0], None, 3)


def test_leftovers_of_a_crash_are_removed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    keys = store.load(BASE)
    store.layers.sync()
    store.close()
    for name in (".new-9/diff/x", "77/diff", "junk"):
        (tmp_path / "layers" / name).mkdir(parents=True)
    (tmp_path / "trash/5/x").mkdir(parents=True)
    again = Store(tmp_path)
    try:
        assert again.layers.trash.drain(10)
        assert sorted(os.listdir(tmp_path / "layers")) == ["1", "bottom", "empty", "place"]
        assert os.listdir(tmp_path / "trash") == []
        with again.snapshots.open_view(keys) as root:
            assert names(root) == ["d", "gone"]
    finally:
        again.close()
    os.rename(tmp_path / "layers/1", tmp_path / "elsewhere")
    third = Store(tmp_path)
    third.close()
    assert third.layers.list() == []


def test_what_is_needed_is_not_removed(store: Store) -> None:
    keys = store.load(BASE, SECOND, THIRD)
    with pytest.raises(Conflict, match="stands on it"):
        store.layers.remove(keys[0])
    store.snapshots.prepare("c", keys[:2])
    with pytest.raises(Conflict, match="container"):
        store.layers.remove(keys[1])
    assert [layer.key for layer in store.layers.collect([])] == [keys[2]]
    assert store.layers.collect([]) == ()
    with store.layers.lease():
        store.snapshots.remove("c")
        store.snapshots.remove("c")
        assert store.layers.has(keys[0])
        assert [layer.key for layer in store.layers.collect([])] == [keys[1]]
    assert [layer.key for layer in store.layers.collect(["sha256:unknown"])] == [keys[0]]
    with pytest.raises(NotFound):
        store.layers.get(keys[0])
    assert store.layers.trash.drain(10)
    assert sorted(os.listdir(store.root / "layers")) == ["bottom", "empty", "place"]


def test_users_are_known_after_a_restart(store: Store, tmp_path: Path) -> None:
    keys = store.load(BASE)
    store.layers.sync()
    store.snapshots.prepare("c", keys)
    store.close()
    again = Store(tmp_path)
    try:
        assert again.snapshots.keys() == ["c"]
        assert again.layers.collect([]) == ()
        again.snapshots.remove("c")
        assert len(again.layers.collect([])) == 1
    finally:
        again.close()


# snapshots


def test_a_snapshot_is_written_and_its_layers_are_not(store: Store) -> None:
    keys = store.load(BASE, SECOND)
    before = describe(store.root / "layers")
    store.snapshots.prepare("c", keys)
    store.snapshots.prepare("other", keys)
    with store.snapshots.open_root("c") as root:
        Path(f"/proc/self/fd/{root}/d/one").write_bytes(b"changed")
        os.unlink("hard", dir_fd=root)
    with store.snapshots.open_root("c") as root:
        assert read(root, "d/one") == b"changed"
        assert names(root) == ["d"]
    with store.snapshots.open_root("other") as root:
        assert names(root) == ["d", "hard"]
    assert describe(store.root / "layers") == before
    assert store.snapshots.usage("c") == 7
    assert store.snapshots.usage("other") == store.snapshots.usage("none") == 0


def test_mounts_are_what_the_runtime_expects(store: Store) -> None:
    keys = store.load(BASE, SECOND)
    store.snapshots.prepare("c", keys)
    [mount] = store.snapshots.mounts("c")
    root = store.root
    assert (mount.destination, mount.type, mount.source) == ("/", "overlay", "overlay")
    assert mount.options == [
        f"lowerdir+={root}/layers/2/diff",
        f"lowerdir+={root}/layers/1/diff",
        f"upperdir={root}/snapshots/c/upper",
        f"workdir={root}/snapshots/c/work",
        "redirect_dir=nofollow",
        "index=off",
        "metacopy=off",
    ]
    [view] = store.snapshots.view(keys)
    assert view.options is not None
    assert "ro" in view.options
    assert not [option for option in view.options if option.startswith(("upperdir", "workdir"))]


def test_an_empty_stack_is_an_empty_root(store: Store) -> None:
    store.snapshots.prepare("scratch", [])
    with store.snapshots.open_root("scratch") as root:
        assert names(root) == []
        os.mkdir("d", dir_fd=root)
        assert stat.S_IMODE(os.fstat(root).st_mode) == 0o755


def test_nobody_else_gets_at_the_files(store: Store) -> None:
    keys = store.load(a.archive(a.directory("."), a.member("suid", mode=0o4755)))
    store.snapshots.prepare("c", keys)
    for path in ("layers", "layers/1", "snapshots", "snapshots/c", "snapshots/c/work", "trash"):
        assert (store.root / path).stat().st_mode & 0o007 == 0, path
    assert stat.S_IMODE((store.root / "snapshots/c/work").stat().st_mode) == 0o700


def test_the_root_looks_as_the_image_says(store: Store) -> None:
    keys = store.load(a.archive(a.directory(".", mode=0o1751, uid=5, gid=6, mtime=77)), a.archive(a.member("x")))
    store.snapshots.prepare("c", keys)
    for opening in (store.snapshots.open_root("c"), store.snapshots.open_view(keys)):
        with opening as root:
            found = os.fstat(root)
            assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o1751, 5, 6)


def test_keys(store: Store) -> None:
    store.snapshots.prepare("c", [])
    with store.snapshots.upper("c") as upper:
        os.mkdir("precious", dir_fd=upper)
    with pytest.raises(Conflict):
        store.snapshots.prepare("c", [])
    with store.snapshots.upper("c") as upper:
        assert names(upper) == ["precious"]
    for bad in ("", "..", "a/b", ".hidden", "x" * 200):
        with pytest.raises(InvalidArgument):
            store.snapshots.prepare(bad, [])
        with pytest.raises(InvalidArgument):
            store.snapshots.remove(bad)
    with pytest.raises(NotFound):
        store.snapshots.mounts("none")
    with pytest.raises(NotFound), store.snapshots.upper("none"):
        pass
    with pytest.raises(NotFound):
        store.snapshots.prepare("d", ["sha256:none"])
    assert store.snapshots.keys() == ["c"]


def test_devices_of_a_snapshot_cannot_be_opened(store: Store) -> None:
    store.snapshots.prepare("c", store.load(a.archive(a.member("null", a.CHAR, devmajor=1, devminor=3))))
    with store.snapshots.open_root("c") as root, pytest.raises(PermissionError):
        os.close(os.open("null", os.O_RDONLY, dir_fd=root))


def test_a_directory_renamed_from_a_layer_is_copied_not_redirected(store: Store) -> None:
    store.snapshots.prepare("c", store.load(BASE))
    with store.snapshots.open_root("c") as root, pytest.raises(OSError, match="cross-device"):
        os.rename("d", "moved", src_dir_fd=root, dst_dir_fd=root)


def test_marks_of_hostile_layers_lead_nowhere(store: Store) -> None:
    """A redirect that got into a layer's directory by whatever way is not followed."""
    keys = store.load(BASE, a.archive(a.directory("new")))
    os.setxattr(store.layers.directory(keys[1]) / "new", "trusted.overlay.redirect", b"/d")
    with store.snapshots.open_view(keys) as root:
        try:
            assert names(root, "new") == []
        except OSError:
            pass


# machine directories over a root


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    usr = tmp_path / "machine/usr"
    (usr / "bin").mkdir(parents=True)
    (usr / "bin/tool").write_bytes(b"tool")
    return usr


def host_layer(store: Store, machine: Path) -> str:
    with store.layers.create("embedded:host", overlays=[("/usr", str(machine))]) as new:
        for name in ("usr", "etc"):
            os.mkdir(name, dir_fd=new.descriptor)
    return "embedded:host"


def test_overlays_of_the_machines_directories(store: Store, machine: Path) -> None:
    key = host_layer(store, machine)
    store.snapshots.prepare("c", [key])
    assert [mount.destination for mount in store.snapshots.mounts("c")] == ["/", "/usr"]
    with store.snapshots.open_view([key]) as root:
        assert read(root, "usr/bin/tool") == b"tool"
    with store.snapshots.open_root("c") as root:
        assert read(root, "usr/bin/tool") == b"tool"
        os.unlink("usr/bin/tool", dir_fd=root)
        Path(f"/proc/self/fd/{root}/usr/new").write_bytes(b"12345")
        Path(f"/proc/self/fd/{root}/etc/new").write_bytes(b"1")
    assert (machine / "bin/tool").read_bytes() == b"tool"
    assert store.snapshots.usage("c") == 6
    with store.snapshots.compared("c") as parts:
        assert [place for place, _, _ in parts] == ["", "/usr"]
        assert names(parts[1][1]) == ["bin", "new"]
        assert names(parts[1][2], "bin") == ["tool"]
    store.snapshots.remove("c")


def test_old_kernels_way_gives_the_same_tree(store: Store, machine: Path) -> None:
    key = host_layer(store, machine)
    store.snapshots.prepare("c", [*store.load(BASE, SECOND), key])
    mounts = store.snapshots.mounts("c")
    tree = in_own_mounts(lambda: assemble._mounted_and_cloned(mounts, str(store.layers.place)))
    try:
        root = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=tree)
        try:
            old = describe(f"/proc/self/fd/{root}")
            os.mkdir("usr/old", dir_fd=root)
        finally:
            os.close(root)
    finally:
        os.close(tree)
    view = in_own_mounts(lambda: assemble._mounted_and_cloned(store.snapshots.view([key]), str(store.layers.place)))
    try:
        assert os.stat("usr/bin/tool", dir_fd=view).st_size == 4
    finally:
        os.close(view)
    with store.snapshots.open_root("c") as root:
        assert names(root, "usr") == ["bin", "old"]
        os.rmdir("usr/old", dir_fd=root)
        new = describe(f"/proc/self/fd/{root}", times=False)
    assert {path: node._replace(mtime=0) for path, node in old.items()} == new


def test_places_whose_paths_are_long(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 200) / ("y" * 200)
    deep.mkdir(parents=True)
    store = Store(deep)
    try:
        store.snapshots.prepare("c", store.load(BASE, SECOND))
        with store.snapshots.open_root("c") as root:
            assert names(root) == ["d", "hard"]
    finally:
        store.close()


def test_a_hundred_and_twenty_layers(store: Store) -> None:
    keys = store.load(*(a.archive(a.member(f"f{number}")) for number in range(120)))
    store.snapshots.prepare("c", keys)
    with store.snapshots.open_root("c") as root:
        assert len(names(root)) == 120


def test_nothing_is_leaked(store: Store) -> None:
    keys = store.load(BASE, SECOND)
    store.snapshots.prepare("first", keys)
    store.snapshots.remove("first")  # from now on the trash has its descriptor
    assert store.layers.trash.drain(30)
    before = len(os.listdir("/proc/self/fd"))
    for number in range(30):
        store.snapshots.prepare(f"c{number}", keys)
        with store.snapshots.open_root(f"c{number}"), store.snapshots.compared(f"c{number}"):
            pass
        store.snapshots.remove(f"c{number}")
    assert store.layers.trash.drain(30)
    assert len(os.listdir("/proc/self/fd")) == before
    assert os.listdir(store.root / "snapshots") == os.listdir(store.root / "trash") == []


def test_a_killed_process_leaves_no_mount(store: Store) -> None:
    """The tree of open_root is attached nowhere, so its end is its descriptor's."""
    store.snapshots.prepare("c", store.load(BASE))
    ready, done = os.pipe()
    child = os.fork()
    if child == 0:
        with store.snapshots.open_root("c"):
            os.write(done, b"x")
            time.sleep(60)
        os._exit(0)
    os.read(ready, 1)
    os.kill(child, 9)
    os.waitpid(child, 0)
    os.close(ready)
    os.close(done)
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        assert "snapshots/c" not in mounts.read()


# removal


def test_the_trash_deletes_what_resists(store: Store, tmp_path: Path) -> None:
    import fcntl
    import struct

    tree = tmp_path / "tree"
    (tree / "d/e").mkdir(parents=True)
    (tree / "d/f").write_bytes(b"x")
    os.mkfifo(tree / "d/p")
    (tree / "d").chmod(0)
    for path in (tree / "d/f", tree / "d"):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, 0x40086602, struct.pack("l", 0x10))  # immutable
        finally:
            os.close(descriptor)
    store.layers.trash.discard(tree)
    assert not tree.exists()
    assert store.layers.trash.drain(10)
    assert os.listdir(tmp_path / "trash") == []


def test_trash_that_is_left_is_deleted_after_the_next_start(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.close()
    (tmp_path / "rubbish").mkdir()
    store.layers.trash.discard(tmp_path / "rubbish")
    assert len(os.listdir(tmp_path / "trash")) == 1
    again = Store(tmp_path)
    try:
        assert again.layers.trash.drain(10)
        assert os.listdir(tmp_path / "trash") == []
    finally:
        again.close()


# the whole way


@pytest.mark.timeout(600)
def test_a_debian_root_goes_through_a_layer_a_container_and_a_commit(store: Store, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with opened(debian_root()) as descriptor:
        pack_tree(descriptor, packed.write)
    keys = store.load(packed.getvalue())
    store.snapshots.prepare("c", keys)
    with store.snapshots.open_root("c") as root:
        assert_same(describe(f"/proc/self/fd/{root}"), describe(debian_root()))
        os.unlink("etc/passwd", dir_fd=root)
        Path(f"/proc/self/fd/{root}/etc/group").write_bytes(b"root:x:0:\n")
        os.setxattr(f"/proc/self/fd/{root}/etc/group", "user.note", b"n")
        os.chmod("usr/bin/env", 0o4755, dir_fd=root)
        os.link("usr/bin/env", "usr/bin/env2", src_dir_fd=root, dst_dir_fd=root)
        expected = describe(f"/proc/self/fd/{root}")
    committed = io.BytesIO()
    with store.snapshots.upper("c") as upper:
        pack_upper(upper, committed.write)
    keys = store.load(packed.getvalue(), committed.getvalue())
    with store.snapshots.open_view(keys) as root:
        assert_same(describe(f"/proc/self/fd/{root}"), expected)
