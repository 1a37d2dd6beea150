"""cp's archives: what is packed comes out as it was, renamed as asked, and nothing leaves its directory."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from typing import TYPE_CHECKING

import pytest

from estiba.cli.archives import Reader, pack, unpack
from estiba.cli.commands.cp import plan, split_entry
from estiba.cli.session import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def make_tree(directory: Path) -> Path:
    root = directory / "tree"
    (root / "sub" / "empty").mkdir(parents=True)
    (root / "file").write_bytes(b"x" * 70_000)
    (root / "file").chmod(0o640)
    (root / "sub" / "script").write_text("#!/bin/sh\n")
    (root / "sub" / "script").chmod(0o755)
    os.link(root / "file", root / "sub" / "hard")
    (root / "link").symlink_to("sub/script")
    (root / "away").symlink_to("/etc/passwd")
    os.mkfifo(root / "fifo", 0o600)
    (root / ("long" * 30)).write_text("name")
    (root / "sub").chmod(0o700)
    os.utime(root / "sub" / "script", (10**9, 10**9))
    os.utime(root / "sub", (10**9, 10**9))
    return root


def listing(root: Path) -> dict[str, tuple[object, ...]]:
    found: dict[str, tuple[object, ...]] = {}
    for directory, names, files in os.walk(root):
        for name in [*names, *files]:
            path = os.path.join(directory, name)
            status = os.lstat(path)
            content: object = None
            if stat.S_ISLNK(status.st_mode):
                content = os.readlink(path)
            elif stat.S_ISREG(status.st_mode):
                with open(path, "rb") as file:
                    content = file.read()
            moment = None if stat.S_ISLNK(status.st_mode) else int(status.st_mtime)
            found[os.path.relpath(path, root)] = (
                status.st_mode,
                moment,
                content,
                status.st_nlink > 1 and bool(content),
            )
    return found


@pytest.mark.parametrize(("name", "old", "new"), [("tree", "tree", "tree"), ("tree", "tree", "other"), (".", ".", ".")])
def test_round_trip(name: str, old: str, new: str, tmp_path: Path) -> None:
    root = make_tree(tmp_path)
    target = tmp_path / "target"
    target.mkdir()
    unpack(Reader(pack(str(root), name)), str(target), old, new)
    assert listing(target if new == "." else target / new) == listing(root)


def test_programs_and_devices_of_a_container_get_no_rights_here(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("devices need root")
    program, device = tarfile.TarInfo("x/program"), tarfile.TarInfo("x/device")
    program.mode, program.size = 0o6755, 2
    device.mode, device.type, device.devmajor, device.devminor = 0o666, tarfile.CHRTYPE, 1, 3
    unpack(Reader(archive((program, b"#!"), device)), str(tmp_path), "x", "x")
    assert stat.S_IMODE((tmp_path / "x" / "program").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "x" / "device").stat().st_mode) == 0o600


def test_tarfile_reads_what_we_pack(tmp_path: Path) -> None:
    root = make_tree(tmp_path)
    with tarfile.open(fileobj=io.BytesIO(b"".join(pack(str(root), "x")))) as archive:
        assert archive.getmember("x/sub/hard").islnk() or archive.getmember("x/file").islnk()
        assert archive.getmember("x/fifo").isfifo()
        assert len(archive.getmembers()) == len(listing(root)) + 1


def archive(*entries: tarfile.TarInfo | tuple[tarfile.TarInfo, bytes]) -> Iterator[bytes]:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for entry in entries:
            info, data = entry if isinstance(entry, tuple) else (entry, b"")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    yield out.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, link, 0o755
    return info


@pytest.mark.parametrize(
    "entries",
    [
        [(entry("../out"), b"evil")],
        [(entry("a/../../out"), b"evil")],
        [entry("a", tarfile.SYMTYPE, ".."), (entry("a/out"), b"evil")],
        [entry("a", tarfile.SYMTYPE, "/"), (entry("a/tmp/estiba-evil"), b"evil")],
        [entry("a", tarfile.DIRTYPE), entry("a/b", tarfile.SYMTYPE, "../.."), (entry("a/b/out"), b"evil")],
        [entry("a", tarfile.LNKTYPE, "../secret")],
        [entry("l", tarfile.SYMTYPE, "../secret"), entry("l", tarfile.DIRTYPE)],
        [entry("d", tarfile.DIRTYPE), (entry("d"), b"file onto directory")],
    ],
)
def test_hostile_archives(entries: list[tarfile.TarInfo], tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(CommandError):
        unpack(Reader(archive(*entries)), str(target), "x", "x")
    assert sorted(os.listdir(tmp_path)) == ["secret", "target"]
    assert (tmp_path / "secret").read_text() == "secret"
    assert not os.path.exists("/tmp/estiba-evil")


def test_a_file_is_never_written_through_a_link(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (tmp_path / "secret").write_text("secret")
    (target / "f").symlink_to("../secret")
    unpack(Reader(archive((entry("f"), b"new"))), str(target), "f", "f")
    assert (tmp_path / "secret").read_text() == "secret"
    assert (target / "f").read_text() == "new"


def test_a_broken_archive_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot read the archive"):
        unpack(Reader(iter([b"garbage" * 200])), str(tmp_path), "x", "x")


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("/a/b", ("/a", "b")),
        ("/a/b/", ("/a", "b")),
        ("/a/b/.", ("/a/b", ".")),
        ("f", (".", "f")),
        (".", (".", ".")),
        ("/", ("/", "/")),
    ],
)
def test_split_entry(path: str, parts: tuple[str, str]) -> None:
    assert split_entry(path) == parts


@pytest.mark.parametrize(
    ("source", "is_directory", "target", "existing", "result"),
    [
        ("f", False, "/d", True, ("/d", "f", "f")),
        ("f", False, "/x", False, ("/", "f", "x")),
        ("f", False, "/new", None, ("/", "f", "new")),
        ("d", True, "/new", None, ("/", "d", "new")),
        ("d/.", True, "/new", None, ("/", ".", "new")),
        ("d/.", True, "/d", True, ("/d", ".", ".")),
    ],
)
def test_plan(
    source: str, is_directory: bool, target: str, existing: bool | None, result: tuple[str, str, str]
) -> None:
    assert plan(source, is_directory, target, existing) == result


def test_plan_refuses() -> None:
    with pytest.raises(CommandError, match="cannot copy directory"):
        plan("d", True, "/f", False)
    with pytest.raises(CommandError, match="no such directory"):
        plan("f", False, "/missing/", None)
