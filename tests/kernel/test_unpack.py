"""Layers unpacked on a real file system, compared entry by entry with what GNU tar and overlayfs make of them."""

from __future__ import annotations

import gzip
import hashlib
import io
import itertools
import os
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest
import zstandard
from tests.kernel.trees import assert_same, debian_root, describe, opened
from tests.unit.images import archives as a

from estiba.errors import InvalidArgument, NotFound, Unavailable
from estiba.images.extract import Limits
from estiba.images.pack import pack_tree
from estiba.images.unpack import OPAQUE_XATTR, UnpackResult, apply_layer, extract_archive
from estiba.linux.files import remove_tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def apply(data: bytes, directory: Path, lower: Path | None = None, **options: object) -> UnpackResult:
    directory.mkdir(exist_ok=True)
    with opened(directory) as descriptor:
        if lower is None:
            return apply_layer(io.BytesIO(data), descriptor, **options)  # type: ignore[arg-type]
        with opened(lower) as below:
            return apply_layer(io.BytesIO(data), descriptor, lower=below, **options)  # type: ignore[arg-type]


def put(data: bytes, root: Path, path: str = "/", **options: object) -> None:
    with opened(root) as descriptor:
        extract_archive(io.BytesIO(data), descriptor, path, **options)  # type: ignore[arg-type]


def is_whiteout(path: Path) -> bool:
    found = path.lstat()
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0


def is_opaque(path: Path) -> bool:
    try:
        return os.getxattr(path, OPAQUE_XATTR) == b"y"
    except OSError:
        return False


# exactness


@pytest.mark.timeout(600)  # makes the root, where it isn't yet
def test_a_debian_root_is_what_gnu_tar_makes_of_it(tmp_path: Path) -> None:
    archive = tmp_path / "root.tar"
    arguments = ["tar", "--xattrs", "--xattrs-include=*", "--numeric-owner", "--format=posix"]
    subprocess.run([*arguments, "-C", debian_root(), "-cf", archive, "."], check=True, capture_output=True)
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    subprocess.run([*arguments, "-C", theirs, "-xpf", archive], check=True, capture_output=True)
    data = archive.read_bytes()
    result = apply(gzip.compress(data, 1), tmp_path / "ours")
    assert_same(describe(tmp_path / "ours"), describe(theirs))
    assert result.diff_id == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert (tmp_path / "ours").stat().st_mode == theirs.stat().st_mode
    assert result.entries > 5000


@pytest.mark.timeout(600)
def test_a_debian_root_survives_packing_and_unpacking(tmp_path: Path) -> None:
    out = io.BytesIO()
    with opened(debian_root()) as descriptor:
        pack_tree(descriptor, out.write)
    apply(out.getvalue(), tmp_path / "again")
    assert_same(describe(tmp_path / "again"), describe(debian_root()))


@pytest.mark.parametrize(
    "compress",
    [bytes, gzip.compress, zstandard.ZstdCompressor().compress],
    ids=["none", "gzip", "zstd"],
)
def test_digests_and_sizes(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    data = a.archive(a.member("f", data=b"x" * 3_000_000), a.hardlink("g", "f"))
    blob = compress(data)
    result = apply(blob, tmp_path / "l")
    assert result == UnpackResult(
        f"sha256:{hashlib.sha256(data).hexdigest()}",
        f"sha256:{hashlib.sha256(blob).hexdigest()}",
        len(blob),
        3_000_000,
        2,
    )


def test_everything_an_entry_can_have(tmp_path: Path) -> None:
    capability = bytes.fromhex("0100000200200000000000000000000000000000")
    data = (
        a.body(
            a.directory("d", mode=0o2775, uid=10, gid=20, mtime=100),
            a.member("d/f", data=b"data", mode=0o6711, uid=4_000_000_000, gid=3, pax_headers={"mtime": "1.000000007"}),
            a.symlink("d/l", "../../anywhere", uid=7, gid=8, pax_headers={"mtime": "-5.25"}),
            a.member("d/c", a.CHAR, devmajor=10, devminor=200, mode=0o620, uid=5, gid=6, mtime=9),
            a.member("d/b", a.BLOCK, devmajor=259, devminor=70000, mode=0o660),
            a.member("d/p", a.FIFO, mode=0o1777, mtime=11),
            a.hardlink("d/h", "./d/f"),
        )
        + a.extended((b"SCHILY.xattr.security.capability", capability), (b"SCHILY.xattr.user.k", b"v\0"))
        + a.header(b"d/x", mode=b"0000755\0")
        + a.extended((b"SCHILY.xattr.trusted.t", b"1"))
        + a.header(b"d/y", kind=b"2", link=b"x")
        + a.header(b"\xff\xfe/\xe9")
        + a.END
    )
    root = tmp_path / "l"
    apply(data, root)
    nodes = describe(root)
    d, f, link, c, b, p = (nodes[f"d{name}".encode()] for name in ("", "/f", "/l", "/c", "/b", "/p"))
    assert (d.mode, d.uid, d.gid, d.mtime) == (0o2775, 10, 20, 100 * 10**9)
    assert (f.mode, f.uid, f.gid, f.mtime, f.size) == (0o6711, 4_000_000_000, 3, 1_000_000_007, 4)
    assert (link.uid, link.gid, link.mtime, link.target) == (7, 8, -5_250_000_000, b"../../anywhere")
    assert (c.mode, c.uid, c.gid, c.device, c.mtime) == (0o620, 5, 6, os.makedev(10, 200), 9 * 10**9)
    assert (b.kind, b.device, b.mode) == (stat.S_IFBLK, os.makedev(259, 70000), 0o660)
    assert (p.kind, p.mode, p.mtime) == (stat.S_IFIFO, 0o1777, 11 * 10**9)
    assert nodes[b"d/h"].first == nodes[b"d/f"].first
    assert dict(nodes[b"d/x"].xattrs) == {"security.capability": capability, "user.k": b"v\0"}
    assert dict(nodes[b"d/y"].xattrs) == {"trusted.t": b"1"}
    assert nodes[b"\xff\xfe/\xe9"].kind == stat.S_IFREG


def test_umask_does_not_matter(tmp_path: Path) -> None:
    data = a.archive(a.directory("d", mode=0o777), a.member("d/f", mode=0o666), a.member("p", a.FIFO, mode=0o666))
    script = (
        "import os, sys, io; os.umask(0o077); from estiba.images.unpack import apply_layer;"
        "apply_layer(sys.stdin.buffer, os.open(sys.argv[1], os.O_RDONLY))"
    )
    (tmp_path / "l").mkdir()
    subprocess.run([os.sys.executable, "-c", script, tmp_path / "l"], input=data, check=True)  # type: ignore[attr-defined]
    assert [node.mode for _, node in sorted(describe(tmp_path / "l").items())] == [0o777, 0o666, 0o666]


def test_sparse_terabyte_and_large_holes(tmp_path: Path) -> None:
    source = tmp_path / "s"
    source.mkdir()
    with (source / "tera").open("wb") as file:
        file.truncate(1 << 40)
        file.seek(1 << 39)
        file.write(b"middle")
    with (source / "eight").open("wb") as file:
        file.truncate(8 << 30)
    for name in ("tera", "eight"):
        os.utime(source / name, (5, 5))  # the GNU format has whole seconds only
    for options in (["--format=gnu"], ["--format=posix", "--sparse-version=1.0"]):
        target = tmp_path / options[-1][-3:]
        apply(a.gnu_tar(source, "--sparse", *options, "tera", "eight"), target)
        assert describe(target) == describe(source)
        assert (target / "tera").stat().st_blocks < 100


def test_later_entries_win_whatever_their_type(tmp_path: Path) -> None:
    kinds = {
        "file": lambda: a.member("x", data=b"1"),
        "dir": lambda: a.directory("x"),
        "link": lambda: a.symlink("x", "/etc/passwd"),
        "hard": lambda: a.hardlink("x", "other"),
        "fifo": lambda: a.member("x", a.FIFO),
        "char": lambda: a.member("x", a.CHAR, devmajor=1, devminor=3),
    }
    for first, second in itertools.product(kinds, repeat=2):
        target = tmp_path / f"{first}-{second}"
        inside = [a.directory("x/d"), a.member("x/d/f")] if first == "dir" else []
        apply(a.archive(a.member("other"), kinds[first](), *inside, kinds[second]()), target)
        alone = tmp_path / f"alone-{first}-{second}"
        apply(a.archive(a.member("other"), kinds[second]()), alone)
        if first == second == "dir":
            assert (target / "x" / "d" / "f").exists()
        else:
            assert describe(target) == describe(alone), (first, second)


def test_replacing_a_hard_link_leaves_the_other_name_alone(tmp_path: Path) -> None:
    apply(
        a.archive(
            a.member("one", data=b"1"), a.hardlink("two", "one"), a.member("two", data=b"2"), a.hardlink("one", "one")
        ),
        tmp_path / "l",
    )
    assert ((tmp_path / "l/one").read_bytes(), (tmp_path / "l/two").read_bytes()) == (b"1", b"2")


def test_times_of_replaced_directories(tmp_path: Path) -> None:
    apply(
        a.archive(
            a.directory("d", mtime=5),
            a.directory("d/e", mtime=6),
            a.member("d", data=b"file", mtime=7),
            a.directory("k", mtime=8),
        ),
        tmp_path / "l",
    )
    assert [(tmp_path / "l" / name).stat().st_mtime for name in ("d", "k")] == [7, 8]


# whiteouts


def test_whiteouts_and_opaque_directories(tmp_path: Path) -> None:
    apply(
        a.archive(
            a.member(".wh.gone"),
            a.directory("d"),
            a.member("d/.wh..wh..opq"),
            a.member("d/new"),
            a.member("e/.wh.x"),
            a.member("kept", data=b"k"),
            a.member(".wh.kept"),
            a.directory("both"),
            a.member("both/inside"),
            a.member(".wh.both"),
            a.member(".wh..wh.plnk"),
            a.member(".wh..wh.plnk/1.2", data=b"aufs"),
        ),
        tmp_path / "l",
    )
    root = tmp_path / "l"
    assert is_whiteout(root / "gone")
    assert is_opaque(root / "d")
    assert (root / "d/new").exists()
    assert is_whiteout(root / "e/x")
    assert (root / "kept").read_bytes() == b"k"
    assert is_opaque(root / "both")
    assert (root / "both/inside").exists()
    assert not [path for path in root.rglob("*") if ".wh." in path.name]


@pytest.mark.parametrize("order", [("d/", ".wh.d"), (".wh.d", "d/")])
def test_a_directory_removed_and_made_again_hides_the_lower_one(tmp_path: Path, order: tuple[str, str]) -> None:
    members = [a.directory("d") if name == "d/" else a.member(name) for name in order]
    apply(a.archive(*members), tmp_path / "l")
    assert is_opaque(tmp_path / "l/d")


def test_a_removed_directory_that_is_used_without_being_listed(tmp_path: Path) -> None:
    apply(a.archive(a.member(".wh.d"), a.member("d/sub/f")), tmp_path / "l")
    assert is_opaque(tmp_path / "l/d")
    assert not is_opaque(tmp_path / "l/d/sub")
    assert (tmp_path / "l/d/sub/f").exists()


def test_a_file_replaced_by_a_directory_hides_the_lower_one(tmp_path: Path) -> None:
    apply(a.archive(a.member("d"), a.directory("d")), tmp_path / "l")
    assert is_opaque(tmp_path / "l/d")


@pytest.mark.parametrize("name", [".wh.", ".wh..", ".wh...", "d/.wh.", "d/.wh..", "d/.wh..."])
def test_whiteouts_of_the_directory_itself_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidArgument, match="whiteout"):
        apply(a.archive(a.member(name)), tmp_path / "l")


# the layers below


def lower_tree(tmp_path: Path) -> Path:
    lower = tmp_path / "lower"
    lower.mkdir(mode=0o751)
    (lower / "etc").mkdir()
    (lower / "etc/conf").write_bytes(b"conf" * 1000)
    os.setxattr(lower / "etc/conf", "user.a", b"b")
    os.chown(lower / "etc/conf", 3, 4)
    os.chmod(lower / "etc/conf", 0o4711)
    os.utime(lower / "etc/conf", ns=(123, 456))
    os.symlink("conf", lower / "etc/link")
    os.mkfifo(lower / "etc/fifo")
    os.chmod(lower / "etc", 0o2750)
    os.chown(lower / "etc", 11, 12)
    os.utime(lower / "etc", ns=(1, 789))
    os.chmod(lower, 0o751)
    return lower


def test_hard_links_into_lower_layers_are_copied_up(tmp_path: Path) -> None:
    lower = lower_tree(tmp_path)
    layer = tmp_path / "l"
    apply(
        a.archive(
            a.hardlink("new/hard", "etc/conf"), a.hardlink("soft", "etc/link"), a.hardlink("etc/pipe", "etc/fifo")
        ),
        layer,
        lower,
    )
    nodes, below = describe(layer), describe(lower)
    assert nodes[b"etc/conf"] == below[b"etc/conf"]
    assert nodes[b"new/hard"].first == nodes[b"etc/conf"].first
    assert nodes[b"etc/link"] == below[b"etc/link"]._replace(first=b"etc/link")
    assert nodes[b"etc/fifo"].kind == stat.S_IFIFO
    assert nodes[b"etc"] == below[b"etc"]


def test_unlisted_directories_and_the_root_look_like_the_lower_ones(tmp_path: Path) -> None:
    lower = lower_tree(tmp_path)
    apply(a.archive(a.member("etc/new"), a.member("fresh/new")), tmp_path / "l", lower)
    nodes = describe(tmp_path / "l")
    assert nodes[b"etc"] == describe(lower)[b"etc"]
    assert (nodes[b"fresh"].mode, nodes[b"fresh"].uid) == (0o755, 0)
    assert stat.S_IMODE((tmp_path / "l").stat().st_mode) == 0o751


def test_a_lower_link_is_not_followed_but_hidden(tmp_path: Path) -> None:
    lower = tmp_path / "lower"
    (lower / "usr/bin").mkdir(parents=True)
    os.symlink("usr/bin", lower / "bin")
    apply(a.archive(a.member("bin/tool")), tmp_path / "l", lower)
    assert (tmp_path / "l/bin").is_dir()
    assert not (tmp_path / "l/bin").is_symlink()
    assert not (tmp_path / "l/usr").exists()


def test_hard_links_to_what_is_not_there(tmp_path: Path) -> None:
    lower = lower_tree(tmp_path)
    for number, (members, why) in enumerate(
        [
            ([a.hardlink("x", "etc/none")], "etc/none.*exist"),
            ([a.hardlink("x", "no/dir/none")], "exist"),
            ([a.hardlink("x", "etc")], "directory"),
            ([a.hardlink("x", "/")], "root"),
            ([a.member("etc/.wh.conf"), a.hardlink("x", "etc/conf")], "removes"),
        ]
    ):
        with pytest.raises(InvalidArgument, match=f'"x".*{why}'):
            apply(a.archive(*members), tmp_path / f"l{number}", lower)


# bounds


def test_limits_on_entries_and_sizes(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="more than 2 entries"):
        apply(a.archive(a.member("a"), a.member("b"), a.member("c")), tmp_path / "1", limits=Limits(entries=2))
    with pytest.raises(InvalidArgument, match=r'"b".*exceed 5000'):
        apply(
            a.archive(a.member("a", data=bytes(3000)), a.member("b", data=bytes(3000))),
            tmp_path / "2",
            limits=Limits(size=5000),
        )


def test_more_than_the_free_space_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    huge = a.header(b"huge", size=b"\x80" + (1 << 43).to_bytes(11, "big"))
    with pytest.raises(Unavailable, match=r'"huge".*no space left on device'):
        apply(gzip.compress(huge + bytes(1 << 20)), tmp_path / "l")
    assert list((tmp_path / "l").iterdir()) == []


def test_a_report_that_raises_ends_the_work(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def report(consumed: int) -> None:
        if consumed > 3 << 20:
            raise Stop

    with pytest.raises(Stop):
        apply(a.archive(a.member("f", data=bytes(30 << 20))), tmp_path / "l", report=report)


def test_a_failing_stream_is_reported(tmp_path: Path) -> None:
    class Broken(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            raise ConnectionResetError("gone")

    (tmp_path / "l").mkdir()
    with opened(tmp_path / "l") as descriptor, pytest.raises(ConnectionResetError):
        apply_layer(Broken(), descriptor)


def test_deep_directories_need_no_stack(tmp_path: Path) -> None:
    depth = 4096
    names = []
    path = b""
    for _ in range(depth):
        path += b"d/"
        names.append(path)
    blocks = [
        a.extended((b"path", name)) + a.header(kind=b"5" if name.endswith(b"/") else b"0")
        for name in [*names, path + b"leaf"]
    ]
    try:
        result = apply(b"".join(blocks) + a.END, tmp_path / "l")
        assert result.entries == depth + 1
        out = io.BytesIO()
        with opened(tmp_path / "l") as descriptor:
            pack_tree(descriptor, out.write)
        assert len(a.read(out.getvalue())) == depth + 1
        apply(blocks[-1] + a.END, tmp_path / "m")  # only the leaf, none of its parents listed
    finally:
        with opened(tmp_path) as descriptor:  # what pytest removes it with is recursive
            assert remove_tree(descriptor, b"l")
            assert remove_tree(descriptor, b"m")


@pytest.mark.skipif("ESTIBA_TEST_EXTREMES" not in os.environ, reason="a million entries: set ESTIBA_TEST_EXTREMES=1")
def test_a_million_entries(tmp_path: Path) -> None:
    many = b"".join(a.header(b"d%03d/f%d" % (number % 1000, number)) for number in range(1_000_000))
    assert apply(many + a.END, tmp_path / "l").entries == 1_000_000


def test_twenty_thousand_entries_in_one_directory(tmp_path: Path) -> None:
    many = b"".join(a.header(b"f%d" % number) for number in range(20_000))
    assert apply(many + a.END, tmp_path / "l").entries == 20_000


# into a container's tree


def test_cp_replaces_files_and_merges_directories(tmp_path: Path) -> None:
    root = tmp_path / "r"
    (root / "dest/d").mkdir(parents=True)
    (root / "dest/d/old").write_bytes(b"old")
    (root / "dest/f").write_bytes(b"before")
    os.chmod(root / "dest", 0o700)
    put(
        a.archive(
            a.directory(".", mode=0o777, uid=9),
            a.directory("d", mode=0o711, uid=5),
            a.member("d/new", data=b"n"),
            a.member("f", data=b"after", uid=1000, gid=1001, mtime=3),
            a.member(".wh.f", data=b"just a name"),
        ),
        root,
        "/dest",
    )
    assert sorted(path.name for path in (root / "dest/d").iterdir()) == ["new", "old"]
    assert stat.S_IMODE((root / "dest/d").stat().st_mode) == 0o711
    assert (root / "dest/f").read_bytes() == b"after"
    assert (root / "dest/f").stat().st_uid == 1000
    assert (root / "dest/.wh.f").read_bytes() == b"just a name"
    assert stat.S_IMODE((root / "dest").stat().st_mode) == 0o700


def test_cp_follows_links_inside_the_root(tmp_path: Path) -> None:
    root = tmp_path / "r"
    (root / "usr/bin").mkdir(parents=True)
    (root / "run").mkdir()
    (root / "var").mkdir()
    os.symlink("usr/bin", root / "bin")
    os.symlink("/run", root / "var/run")
    os.symlink("../../../../../usr", root / "up")
    put(a.archive(a.member("bin/tool"), a.member("var/run/x/y"), a.member("up/z")), root)
    put(a.archive(a.member("w")), root, "/var/run")
    assert (root / "usr/bin/tool").exists()
    assert (root / "run/x/y").exists()
    assert (root / "usr/z").exists()
    assert (root / "run/w").exists()


def test_cp_owner_and_no_overwrite(tmp_path: Path) -> None:
    root = tmp_path / "r"
    (root / "d").mkdir(parents=True)
    (root / "f").write_bytes(b"")
    put(a.archive(a.member("x/y", uid=1)), root, owner=(77, 78))
    assert [(node.uid, node.gid) for node in (describe(root)[b"x"], describe(root)[b"x/y"])] == [(77, 78)] * 2
    with pytest.raises(InvalidArgument, match='cannot overwrite directory "d" with non-directory "/"'):
        put(a.archive(a.member("d")), root, no_overwrite_dir_non_dir=True)
    with pytest.raises(InvalidArgument, match='cannot overwrite non-directory "f" with directory "/"'):
        put(a.archive(a.directory("f")), root, no_overwrite_dir_non_dir=True)
    put(a.archive(a.member("d"), a.directory("f")), root)
    assert (root / "d").is_file()
    assert (root / "f").is_dir()


def test_cp_into_what_is_not_there_or_no_directory(tmp_path: Path) -> None:
    root = tmp_path / "r"
    root.mkdir()
    (root / "f").write_bytes(b"")
    with pytest.raises(NotFound, match="/none"):
        put(a.archive(a.member("x")), root, "/none")
    with pytest.raises(InvalidArgument, match="extraction point is not a directory"):
        put(a.archive(a.member("x")), root, "/f")


def test_cp_does_not_replace_what_is_mounted(tmp_path: Path) -> None:
    from estiba.errors import SystemFailure
    from estiba.linux import mount

    root = tmp_path / "r"
    (root / "sub/vol").mkdir(parents=True)
    (root / "file").write_bytes(b"")
    (tmp_path / "volume").mkdir()
    (tmp_path / "volume/data").write_bytes(b"precious")
    mount.mount(str(tmp_path / "volume"), str(root / "sub/vol"), None, mount.MS_BIND)
    mount.mount(str(tmp_path / "volume/data"), str(root / "file"), None, mount.MS_BIND)
    try:
        for name in ("file", "sub", "sub/vol"):
            with pytest.raises(SystemFailure, match="busy"):
                put(a.archive(a.member(name)), root)
        put(a.archive(a.member("sub/vol/new")), root)
    finally:
        mount.umount2(str(root / "file"))
        mount.umount2(str(root / "sub/vol"))
    assert sorted(path.name for path in (tmp_path / "volume").iterdir()) == ["data", "new"]
    assert (tmp_path / "volume/data").read_bytes() == b"precious"
