"""Archives that want out: nothing outside changes, nothing stays, and the error names the entry.

Each is tried as a layer and as an archive copied into a container, with a canary beside the tree and one that an
absolute path reaches.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import threading
from typing import TYPE_CHECKING

import pytest
from tests.kernel.trees import describe, opened
from tests.unit.images import archives as a

from estiba.errors import EstibaError, InvalidArgument
from estiba.images.layering import unpack_layer
from estiba.images.unpack import apply_layer, extract_archive
from estiba.oci import digest
from estiba.snapshots.layers import Layers
from estiba.store.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A directory beside the tree that nothing may change."""
    place = tmp_path / "outside"
    place.mkdir()
    (place / "canary").write_bytes(b"canary")
    before = describe(place), place.stat().st_mtime_ns
    yield place
    assert (describe(place), place.stat().st_mtime_ns) == before


@pytest.fixture
def root(tmp_path: Path) -> Path:
    place = tmp_path / "root"
    place.mkdir()
    return place


def layer(data: bytes, root: Path) -> None:
    with opened(root) as descriptor:
        apply_layer(io.BytesIO(data), descriptor)


def copy(data: bytes, root: Path) -> None:
    with opened(root) as descriptor:
        extract_archive(io.BytesIO(data), descriptor, "/")


BOTH = pytest.mark.parametrize("unpack", [layer, copy])


@BOTH
@pytest.mark.parametrize(
    "name", ["../outside/new", "..", "a/../../outside/new", "./../outside/canary", "a/b/../../../outside/new", "a/.."]
)
@pytest.mark.parametrize("kind", [a.FILE, a.DIRECTORY, a.FIFO])
def test_dot_dot(unpack, root: Path, outside: Path, name: str, kind: bytes) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InvalidArgument, match=f'"{name}/?"'):
        unpack(a.archive(a.member(name, kind)), root)
    assert list(root.iterdir()) == []


@BOTH
@pytest.mark.parametrize("name", ["../outside/.wh.canary", "a/../.wh.x", ".wh...", ".wh.."])
def test_whiteouts_out_of_the_tree(unpack, root: Path, outside: Path, name: str) -> None:  # type: ignore[no-untyped-def]
    if unpack is copy and ".." not in name.split("/"):
        return
    with pytest.raises(InvalidArgument, match=r"\.wh\."):
        unpack(a.archive(a.member(name)), root)


@BOTH
def test_absolute_names_stay_inside(unpack, root: Path, outside: Path) -> None:  # type: ignore[no-untyped-def]
    unpack(a.archive(a.member(f"{outside}/canary", data=b"changed"), a.member("//.//x")), root)
    assert (root / f"{outside}/canary".lstrip("/")).read_bytes() == b"changed"
    assert (root / "x").exists()


@BOTH
@pytest.mark.parametrize("target", ["../outside/canary", "../../../../etc/passwd", "d/../../outside/canary", ".."])
def test_hard_links_out_of_the_tree(unpack, root: Path, outside: Path, target: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InvalidArgument, match=r'"h"'):
        unpack(a.archive(a.directory("d"), a.hardlink("h", target)), root)
    assert not (root / "h").exists()


@BOTH
def test_hard_links_with_absolute_targets_mean_the_tree(unpack, root: Path, outside: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InvalidArgument, match=r'"h".*not exist'):
        unpack(a.archive(a.hardlink("h", f"{outside}/canary")), root)


@BOTH
def test_hard_links_through_links(unpack, root: Path, outside: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InvalidArgument, match=r'"h"'):
        unpack(a.archive(a.symlink("out", str(outside)), a.hardlink("h", "out/canary")), root)


@BOTH
def test_a_hard_link_to_a_link_is_a_link(unpack, root: Path, outside: Path) -> None:  # type: ignore[no-untyped-def]
    unpack(
        a.archive(a.symlink("s", str(outside / "canary")), a.hardlink("h", "s"), a.member("h", data=b"replaced")), root
    )
    assert (root / "h").read_bytes() == b"replaced"
    assert (root / "s").is_symlink()


@pytest.mark.parametrize("target", ["{outside}", "../outside", "../../../../../..{outside}", "/proc/self/cwd", "."])
@pytest.mark.parametrize("below", ["canary", "new", "d/new", ".wh.canary"])
def test_entries_through_links_of_the_same_layer(root: Path, outside: Path, target: str, below: str) -> None:
    data = a.archive(a.symlink("l", target.format(outside=outside)), a.member(f"l/{below}", data=b"x"))
    with pytest.raises(InvalidArgument, match=f'"l/{below}".*link "l"'):
        layer(data, root)


@pytest.mark.parametrize("kind", [a.DIRECTORY, a.FIFO, a.CHAR, a.SYMLINK, a.LINK])
def test_every_kind_of_entry_through_a_link(root: Path, outside: Path, kind: bytes) -> None:
    data = a.archive(a.symlink("l", "../outside"), a.member("l/canary", kind, linkname="f"))
    with pytest.raises(InvalidArgument, match=r'"l/canary/?"'):
        layer(data, root)


def test_links_made_in_two_steps(root: Path, outside: Path) -> None:
    chain = [a.symlink("a", "b"), a.symlink("b", ".."), a.member("a/outside/canary", data=b"x")]
    with pytest.raises(InvalidArgument, match="link"):
        layer(a.archive(*chain), root)
    swap = [a.directory("d"), a.member("d/f"), a.symlink("d", "../outside"), a.member("d/canary", data=b"x")]
    with pytest.raises(InvalidArgument, match=r'"d/canary"'):
        layer(a.archive(*swap), root)


def test_copies_through_links_end_inside_the_root(root: Path, outside: Path) -> None:
    (root / "inside").mkdir()
    for number, target in enumerate(["../outside", "../../../../../../inside", "/inside", str(outside)]):
        data = a.archive(a.symlink(f"l{number}", target), a.member(f"l{number}/canary", data=b"x"))
        with contextlib.suppress(InvalidArgument):
            copy(data, root)


@BOTH
def test_existing_files_are_never_written_through(unpack, root: Path, outside: Path) -> None:  # type: ignore[no-untyped-def]
    os.symlink(outside / "canary", root / "link")
    os.symlink(outside / "new", root / "dangling")
    os.symlink(outside, root / "dir")
    os.link(outside / "canary", root / "hard")
    names = ("link", "dangling", "dir", "hard")
    unpack(a.archive(*(a.member(name, data=b"new", mode=0o777, uid=5) for name in names)), root)
    assert [(root / name).read_bytes() for name in names] == [b"new"] * 4
    for name in names:
        (root / name).unlink()
        os.symlink(outside, root / name)
    unpack(a.archive(*(a.directory(name, mode=0o700, uid=5, mtime=9) for name in names)), root)
    assert all(not (root / name).is_symlink() for name in names)


@BOTH
def test_a_fifo_in_the_way_is_not_opened(unpack, root: Path) -> None:  # type: ignore[no-untyped-def]
    os.mkfifo(root / "f")
    unpack(a.archive(a.member("f", data=b"x")), root)
    assert (root / "f").read_bytes() == b"x"


@BOTH
def test_names_too_long(unpack, root: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InvalidArgument, match=r"xxx.*too long"):
        unpack(a.archive(a.member("x" * 256)), root)
    with pytest.raises(InvalidArgument, match=r'"l".*too long'):
        unpack(a.archive(a.symlink("l", "t" * 5000)), root)


@BOTH
def test_overlay_marks_in_an_archive_are_not_set(unpack, root: Path) -> None:  # type: ignore[no-untyped-def]
    marks = [
        b"trusted.overlay.opaque",
        b"trusted.overlay.redirect",
        b"trusted.overlay.metacopy",
        b"user.overlay.opaque",
    ]
    records = [(b"SCHILY.xattr." + mark, b"/etc") for mark in [*marks, b"security.selinux", b"security.ima"]]
    unpack(a.extended(*records) + a.header(b"d", kind=b"5") + a.extended(*records) + a.header(b"f") + a.END, root)
    assert [os.listxattr(root / name) for name in ("d", "f")] == [[], []]


@BOTH
def test_the_root_is_only_replaced_by_nothing(unpack, root: Path) -> None:  # type: ignore[no-untyped-def]
    for name in (".", "./", "/", "./."):
        with pytest.raises(InvalidArgument, match="root"):
            unpack(a.archive(a.symlink(name, "/etc")), root)


@BOTH
@pytest.mark.parametrize(
    "data",
    [
        a.header(b"bad", size=b"\xff" * 12),
        a.header(b"bad", uid=b"\xff" * 8),
        a.header(b"bad", kind=b"3", rest=b"\0" * 64 + b"\xff" * 8),
        a.header(b"bad", size=a.octal(1000)) + b"short",
        a.extended((b"GNU.sparse.map", b"0,5,2,9"), (b"GNU.sparse.size", b"99")) + a.header(b"bad", size=a.octal(512)),
        a.extended((b"path", b"bad\0")) + a.header(),
    ],
)
def test_numbers_that_cannot_be(unpack, root: Path, data: bytes) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InvalidArgument, match="bad"):
        unpack(a.body(a.member("good")) + data + (a.END if data[-5:] != b"short" else b""), root)


def test_a_failed_layer_leaves_nothing(tmp_path: Path) -> None:
    good = a.archive(a.directory("d"), a.member("d/f", data=b"x" * 100_000))
    hostile = a.archive(a.directory("d"), a.member("d/f", data=b"x" * 100_000), a.member("../f"))
    with Database(tmp_path / "db") as database, Layers(tmp_path, database) as layers:
        for data in (hostile, good[:60_000], good):
            diff_id = digest.of(data if data != good else good + b"other")
            with pytest.raises(EstibaError):
                unpack_layer(layers, [diff_id], lambda data=data: io.BytesIO(data))  # type: ignore[misc]
        assert layers.trash.drain(10)
        assert sorted(os.listdir(tmp_path / "layers")) == ["bottom", "empty", "place"]
        assert layers.list() == []
        unpack_layer(layers, [digest.of(good)], lambda: io.BytesIO(good))
        assert len(layers.list()) == 1


def test_copying_while_the_container_swaps_directories_for_links(tmp_path: Path, root: Path, outside: Path) -> None:
    """hardening.md's race of docker cp: the parent is a directory when it is looked at and a link when it is used."""
    (root / "a").mkdir()
    (root / "a/d").mkdir()
    stop = threading.Event()

    def swap() -> None:
        targets = ["../../outside", str(outside), "/", "../../../../../.."]
        while not stop.is_set():
            try:
                os.rename(root / "a/d", root / "a/kept")
                os.symlink(random.choice(targets), root / "a/d")
                os.unlink(root / "a/d")
                os.rename(root / "a/kept", root / "a/d")
            except OSError:
                (root / "a/d").mkdir(exist_ok=True) if not (root / "a/kept").exists() else None

    thread = threading.Thread(target=swap)
    thread.start()
    done = 0
    try:
        data = a.archive(
            a.directory("d", mode=0o755), a.member("d/canary", data=b"x"), a.directory("d/sub"), a.member("d/sub/f")
        )
        for _ in range(300):
            for path in ("/a", "/a/d"):
                try:
                    with opened(root) as descriptor:
                        extract_archive(io.BytesIO(data), descriptor, path)
                    done += 1
                except EstibaError:
                    continue
    finally:
        stop.set()
        thread.join()
    assert done


def test_random_sequences_of_links_and_files_never_lead_out(tmp_path: Path, outside: Path) -> None:
    """A few hundred archives that build paths of links, directories, hardlinks and files with each other's names."""
    source = random.Random(7)
    names = ["a", "b", "a/b", "a/c", "b/a", "a/b/c", "l", "l/a", "a/l", "a/l/canary", "l/canary"]
    targets = ["..", "../..", "../outside", str(outside), "a", "b", "/", ".", "a/../..", "l"]
    for number in range(400):
        members = []
        for _ in range(source.randint(2, 9)):
            name = source.choice(names)
            members.append(
                source.choice(
                    [
                        a.member(name, data=b"x"),
                        a.directory(name, mode=0o777),
                        a.symlink(name, source.choice(targets)),
                        a.hardlink(name, source.choice(names + targets)),
                        a.member(os.path.dirname(name) + "/.wh." + os.path.basename(name)),
                    ]
                )
            )
        data = a.archive(*members)
        for unpack in (layer, copy):
            place = tmp_path / f"{unpack.__name__}{number}"
            place.mkdir()
            try:
                unpack(data, place)
            except InvalidArgument:
                continue
