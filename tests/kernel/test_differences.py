"""`docker diff`: every case made through a real overlay; the expected lines are Docker 28.5's (measured)."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.unit.images import archives as a

from estiba.images.differences import Change, ChangeKind, diff_upper
from estiba.images.layering import unpack_layer
from estiba.oci.digest import of
from estiba.snapshots.layers import Layers
from estiba.snapshots.overlay import OverlaySnapshots
from estiba.store.database import Database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

CAPABILITY = bytes.fromhex("01000002" + "00" * 16)
IMAGE = a.archive(
    a.directory("d"),
    a.directory("d/sub"),
    a.member("d/sub/f", data=b"f"),
    a.member("d/one", data=b"1", mtime=1000),
    a.member("two", data=b"2"),
    a.symlink("link", "d"),
    a.directory("empty"),
)


@pytest.fixture
def changed(tmp_path: Path) -> Iterator[Callable[[Callable[[Path], object]], list[str]]]:
    """Runs something on a container's root and gives the lines of its diff."""
    database = Database(tmp_path / "db")
    layers = Layers(tmp_path, database)
    layer = unpack_layer(layers, [of(IMAGE)], lambda: io.BytesIO(IMAGE))
    snapshots = OverlaySnapshots(tmp_path, layers)
    count = 0

    def run(action: Callable[[Path], object]) -> list[str]:
        nonlocal count
        count += 1
        snapshots.prepare(f"c{count}", [layer.key])
        with snapshots.open_root(f"c{count}") as root:
            action(Path(f"/proc/self/fd/{root}"))
        with snapshots.compared(f"c{count}") as parts:
            changes = [change for _, upper, lower in parts for change in diff_upper(upper, lower)]
        return [f"{'CAD'[change.kind]} {change.path}" for change in changes]

    yield run
    layers.close()
    database.close()


def replace_directory(root: Path) -> None:
    shutil.rmtree(root / "d")
    (root / "d").mkdir()
    (root / "d/new").touch()


def directory_to_file(root: Path) -> None:
    shutil.rmtree(root / "d")
    (root / "d").touch()


def file_to_directory(root: Path) -> None:
    (root / "two").unlink()
    (root / "two").mkdir()
    (root / "two/x").touch()


def copy_up_only(root: Path) -> None:
    with (root / "d/one").open("r+b"):
        pass
    os.utime(root / "d/one", ns=(5, 1000 * 10**9))


def made_and_removed(root: Path) -> None:
    (root / "d/sub/x").touch()
    (root / "d/sub/x").unlink()


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (lambda root: None, []),
        (lambda root: (root / "new").touch(), ["A /new"]),
        (lambda root: (root / "n/m").mkdir(parents=True), ["A /n", "A /n/m"]),
        (lambda root: (root / "d/sub/f").write_bytes(b"g"), ["C /d", "C /d/sub", "C /d/sub/f"]),
        (lambda root: (root / "two").unlink(), ["D /two"]),
        (lambda root: (root / "d/sub/f").unlink(), ["C /d", "C /d/sub", "D /d/sub/f"]),
        (lambda root: shutil.rmtree(root / "d"), ["D /d"]),
        (lambda root: (root / "two").chmod(0o600), ["C /two"]),
        (lambda root: (root / "d").chmod(0o700), ["C /d"]),
        (lambda root: os.chown(root / "two", 5, 5), ["C /two"]),
        (lambda root: os.utime(root / "empty", (7, 7)), []),
        (lambda root: root.chmod(0o700), []),
        (copy_up_only, []),
        (made_and_removed, []),
        (replace_directory, ["C /d", "A /d/new", "D /d/one", "D /d/sub"]),
        (directory_to_file, ["C /d"]),
        (file_to_directory, ["C /two", "A /two/x"]),
        (lambda root: os.rename(root / "two", root / "three"), ["A /three", "D /two"]),
        (lambda root: (root / os.fsdecode(b"\xff")).touch(), ["A /\ufffd"]),
        (lambda root: os.setxattr(root / "two", "user.x", b"1"), []),
        (
            lambda root: os.setxattr(root / "two", "security.capability", CAPABILITY),
            ["C /two"],
        ),
    ],
)
def test_changes(
    changed: Callable[[Callable[[Path], object]], list[str]], action: Callable[[Path], object], expected: list[str]
) -> None:
    assert changed(action) == expected


def test_a_link_replaced_by_another(changed: Callable[[Callable[[Path], object]], list[str]]) -> None:
    def relink(root: Path) -> None:
        (root / "link").unlink()
        os.symlink("elsewhere", root / "link")

    assert changed(relink) == ["C /link"]


def test_places_below_the_root(tmp_path: Path) -> None:
    (tmp_path / "upper").mkdir()
    (tmp_path / "lower").mkdir()
    (tmp_path / "upper/x").touch()
    descriptors = [os.open(tmp_path / name, os.O_RDONLY) for name in ("upper", "lower")]
    try:
        assert diff_upper(*descriptors, below="/usr") == [Change("/usr/x", ChangeKind.ADDED)]
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
