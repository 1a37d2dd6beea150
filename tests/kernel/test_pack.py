"""Trees packed: what cp and export ask for, writable layers, and a container that swaps files meanwhile."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import stat
import subprocess
import tarfile
import threading
from typing import TYPE_CHECKING

import pytest
from tests.kernel.trees import describe, opened
from tests.unit.images import archives as a

from estiba.errors import InvalidArgument
from estiba.images.pack import open_path, pack_path, pack_tree, pack_upper, top_name
from estiba.images.tar import Entry, Kind
from estiba.images.unpack import OPAQUE_XATTR, apply_layer

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def tree(root: Path) -> bytes:
    out = io.BytesIO()
    with opened(root) as descriptor:
        pack_tree(descriptor, out.write)
    return out.getvalue()


def path(root: Path, name: str) -> dict[bytes, Entry]:
    out = io.BytesIO()
    with opened(root) as descriptor:
        pack_path(descriptor, name, out.write)
    return {entry.name: entry for entry, _ in a.read(out.getvalue())}


def upper(root: Path) -> list[tuple[bytes, Kind]]:
    out = io.BytesIO()
    with opened(root) as descriptor:
        pack_upper(descriptor, out.write)
    return [(entry.name, entry.kind) for entry, _ in a.read(out.getvalue())]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    place = tmp_path / "root"
    (place / "etc/apt").mkdir(parents=True)
    (place / "usr/bin").mkdir(parents=True)
    (place / "etc/passwd").write_bytes(b"root:x:0:0\n")
    (place / "usr/bin/tool").write_bytes(b"tool")
    os.symlink("usr/bin", place / "bin")
    os.symlink("/etc", place / "abs")
    os.symlink("../../../../../../../../etc", place / "up")
    place.chmod(0o755)
    return place


# names, as Docker gives them (measured with 28.5)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("/etc", [b"etc/", b"etc/apt/", b"etc/passwd"]),
        ("/etc/", [b"etc/", b"etc/apt/", b"etc/passwd"]),
        ("etc", [b"etc/", b"etc/apt/", b"etc/passwd"]),
        ("/etc/.", [b"./", b"./apt/", b"./passwd"]),
        ("/etc/../etc/apt", [b"apt/"]),
        ("/bin", [b"bin"]),
        ("/bin/", [b"bin/", b"bin/tool"]),
        ("/bin/.", [b"./", b"./tool"]),
        ("/bin/tool", [b"tool"]),
        ("/abs/passwd", [b"passwd"]),
        ("/up/passwd", [b"passwd"]),
        ("/abs/", [b"abs/", b"abs/apt/", b"abs/passwd"]),
    ],
)
def test_names_of_a_copied_path(root: Path, asked: str, expected: list[bytes]) -> None:
    assert list(path(root, asked)) == expected


def test_the_whole_root_by_path(root: Path) -> None:
    assert list(path(root, "/"))[:4] == [b"/", b"/abs", b"/bin", b"/etc/"]
    assert list(path(root, "/."))[:4] == [b"./", b"./abs", b"./bin", b"./etc/"]
    assert (top_name("/"), top_name("//x//"), top_name("/x/."), top_name("x")) == (b"/", b"x", b".", b"x")


def test_a_path_that_is_not_there(root: Path) -> None:
    with pytest.raises(FileNotFoundError, match="/etc/none"):
        path(root, "/etc/none")
    for name in ("/etc/passwd/", "/etc/passwd/.", "/etc/passwd/x"):
        with pytest.raises(NotADirectoryError):
            path(root, name)


def test_a_link_is_described_itself(root: Path) -> None:
    [entry] = path(root, "/abs").values()
    assert (entry.kind, entry.link) == (Kind.SYMLINK, b"/etc")


def test_an_export_has_plain_names_and_the_root_only_if_it_is_special(root: Path) -> None:
    names = [entry.name for entry, _ in a.read(tree(root))]
    assert names == [b"abs", b"bin", b"etc/", b"etc/apt/", b"etc/passwd", b"up", b"usr/", b"usr/bin/", b"usr/bin/tool"]
    root.chmod(0o700)
    assert a.read(tree(root))[0][0].name == b"./"


def test_everything_is_as_gnu_tar_sees_it(root: Path, tmp_path: Path) -> None:
    os.link(root / "etc/passwd", root / "etc/shadow")
    os.mknod(root / "null", stat.S_IFCHR | 0o620, os.makedev(1, 3))
    os.mkfifo(root / "pipe")
    os.setxattr(root / "usr/bin/tool", "user.x", b"\0y=")
    os.setxattr(root / "bin", "trusted.link", b"1", follow_symlinks=False)
    os.setxattr(root / "null", "trusted.node", b"2")
    os.chmod(root / "usr/bin/tool", 0o6755)
    os.chown(root / "usr/bin/tool", 3_000_000, 4_000_000_000)
    os.chmod(root / "usr/bin/tool", 0o6755)
    os.utime(root / "etc", ns=(0, -1_500_000_000))
    (root / os.fsdecode(b"\xff\xfe" + b"n" * 200)).write_bytes(b"x")
    with socket.socket(socket.AF_UNIX) as listening:
        with opened(root) as descriptor:
            listening.bind(f"/proc/self/fd/{descriptor}/socket")
        data = tree(root)
    (root / "socket").unlink()
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    theirs.mkdir()
    ours.mkdir()
    command = ["tar", "--xattrs", "--xattrs-include=*", "--numeric-owner", "-xpf", "-", "-C", str(theirs)]
    subprocess.run(command, input=data, check=True, capture_output=True)
    expected = describe(root)
    assert describe(theirs) == expected
    with opened(ours) as descriptor:
        apply_layer(io.BytesIO(data), descriptor)
    assert describe(ours) == expected


def test_large_holes_stay_holes(root: Path, tmp_path: Path) -> None:
    with (root / "big").open("wb") as file:
        file.truncate(1 << 40)
        file.seek(1 << 38)
        file.write(b"in the middle")
        file.seek((1 << 40) - 3)
        file.write(b"end")
    with (root / "hole").open("wb") as file:
        file.truncate(8 << 30)
    data = tree(root)
    assert len(data) < 1 << 20
    for program in ("tar", "ours"):
        target = tmp_path / program
        target.mkdir()
        if program == "tar":
            subprocess.run(["tar", "-xpf", "-", "-C", str(target)], input=data, check=True)
        else:
            with opened(target) as descriptor:
                apply_layer(io.BytesIO(data), descriptor)
        for name in ("big", "hole"):
            assert (target / name).stat().st_size == (root / name).stat().st_size
            assert (target / name).stat().st_blocks <= (root / name).stat().st_blocks + 16
        with (target / "big").open("rb") as file:
            file.seek((1 << 38) - 1)
            assert file.read(14) == b"\0in the middle"
            file.seek((1 << 40) - 4)
            assert file.read() == b"\0end"


def test_small_holes_are_written_for_every_reader(root: Path) -> None:
    with (root / "small").open("wb") as file:
        file.truncate(1 << 20)
    with tarfile.open(fileobj=io.BytesIO(tree(root))) as tar:
        assert not tar.getmember("small").issparse()


# writable layers


def test_marks_of_overlayfs_become_entries(root: Path) -> None:
    os.mknod(root / "etc/gone", stat.S_IFCHR, 0)
    os.mknod(root / "gone", stat.S_IFCHR, 0)
    os.setxattr(root / "usr", OPAQUE_XATTR, b"y")
    os.setxattr(root / "etc", "trusted.overlay.origin", b"x")
    assert upper(root) == [
        (b"./", Kind.DIRECTORY),
        (b"abs", Kind.SYMLINK),
        (b"bin", Kind.SYMLINK),
        (b"etc/", Kind.DIRECTORY),
        (b"etc/apt/", Kind.DIRECTORY),
        (b"etc/.wh.gone", Kind.FILE),
        (b"etc/passwd", Kind.FILE),
        (b".wh.gone", Kind.FILE),
        (b"up", Kind.SYMLINK),
        (b"usr/", Kind.DIRECTORY),
        (b"usr/.wh..wh..opq", Kind.FILE),
        (b"usr/bin/", Kind.DIRECTORY),
        (b"usr/bin/tool", Kind.FILE),
    ]


@pytest.mark.parametrize("make", ["mkdir", "mknod", "symlink"])
def test_names_that_would_become_whiteouts_are_refused(root: Path, make: str) -> None:
    target = root / "etc/.wh.passwd"
    {"mkdir": target.mkdir, "mknod": target.touch, "symlink": lambda: target.symlink_to("x")}[make]()
    with pytest.raises(InvalidArgument, match=r"etc/\.wh\.passwd"):
        upper(root)
    tree(root)


# races


def test_what_is_written_while_it_is_read_stays_an_archive(root: Path) -> None:
    stop = threading.Event()

    def change() -> None:
        size = 0
        while not stop.is_set():
            size = (size + 70_001) % 3_000_000
            with (root / "log").open("wb") as file:
                file.write(b"x" * size)
            with contextlib.suppress(OSError):
                os.unlink(root / "etc/temporary")
            (root / "etc/temporary").mkdir(exist_ok=True)
            os.rmdir(root / "etc/temporary")
            (root / "etc/temporary").touch()

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(60):
            for entry, content in a.read(tree(root)):
                assert len(content) == entry.size
    finally:
        stop.set()
        thread.join()


def test_swapped_files_are_never_read_through(root: Path, tmp_path: Path) -> None:
    """A file is swapped for a link to a secret, a device with one and a directory elsewhere, while it is packed."""
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "file").write_bytes(b"SECRET" * 100)
    victim, spare = root / "etc/passwd", root / "etc/spare"
    stop = threading.Event()

    def swap() -> None:
        makes = [
            lambda: os.symlink(secret / "file", spare),
            lambda: os.symlink(secret, spare),
            lambda: os.mknod(spare, stat.S_IFCHR | 0o666, os.makedev(1, 5)),
            lambda: os.mkfifo(spare),
            lambda: spare.write_bytes(b"ordinary"),
            lambda: os.mkdir(spare),
        ]
        number = 0
        while not stop.is_set():
            number += 1
            makes[number % len(makes)]()
            with contextlib.suppress(OSError):
                os.rename(spare, victim)
            for left in (spare, victim):
                with contextlib.suppress(OSError):
                    os.rmdir(left)
                with contextlib.suppress(OSError):
                    os.unlink(left)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for _ in range(400):
            out = io.BytesIO()
            with opened(root) as descriptor:
                pack_tree(descriptor, out.write)
                for name in ("/etc/passwd", "/etc/passwd/file", "/etc"):
                    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                        pack_path(descriptor, name, out.write)
            assert b"SECRET" not in out.getvalue()
    finally:
        stop.set()
        thread.join()


def test_devices_are_not_opened(root: Path) -> None:
    """Opening a fifo without a writer would block for ever, opening this device would fail."""
    os.mkfifo(root / "pipe")
    os.mknod(root / "nothing", stat.S_IFBLK | 0o600, os.makedev(240, 1))
    kinds = {entry.name: entry.kind for entry, _ in a.read(tree(root))}
    assert (kinds[b"pipe"], kinds[b"nothing"]) == (Kind.FIFO, Kind.BLOCK)
    assert path(root, "/pipe")[b"pipe"].kind is Kind.FIFO


def test_open_path_stays_inside(root: Path) -> None:
    os.symlink("/proc/self/cwd", root / "magic")
    with opened(root) as descriptor:
        for name in ("/magic/", "/magic/x", "/../../../../../../etc/hostname", "/abs/hostname"):
            with pytest.raises(OSError):
                os.close(open_path(descriptor, name))
