"""The writer, read back by our reader, tarfile and GNU tar."""

from __future__ import annotations

import io
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest
from tests.unit.images.archives import read

from estiba.errors import InvalidArgument
from estiba.images.tar import Entry, Kind
from estiba.images.tarwriter import TarWriter

if TYPE_CHECKING:
    from pathlib import Path

ENTRIES = [
    (Entry(b"dir/", Kind.DIRECTORY, 0o1777, 0, 0, 0, 1_700_000_000_000_000_000), b""),
    (Entry(b"dir/file", Kind.FILE, 0o4755, 1000, 1001, 5, 1_700_000_000_123_456_789), b"hello"),
    (Entry(b"d/" * 120 + b"long", Kind.FILE, 0o644, 0, 0, 3), b"abc"),
    (Entry(b"link", Kind.SYMLINK, 0o777, link=b"t/" * 100), b""),
    (Entry(b"hard", Kind.HARDLINK, 0o644, link=b"dir/file"), b""),
    (Entry(b"null", Kind.CHARACTER, 0o666, device=(1, 3)), b""),
    (Entry(b"pipe", Kind.FIFO, 0o600, mtime=-1_500_000_000), b""),
    (Entry(b"\xff\xfe\xe9", Kind.FILE, 0o644, size=1), b"1"),
    (Entry("é/".encode() * 60 + b"\xff", Kind.FILE, 0o644, size=1), b"2"),
    (Entry(b"ids", Kind.FILE, 0o644, uid=4_000_000_000, gid=3_000_000), b""),
    (Entry(b"future", Kind.FILE, 0o644, mtime=10**11 * 10**9), b""),
    (Entry(b"attr", Kind.FILE, 0o644, xattrs={b"user.a=b%": b"\0\n=", b"security.capability": b"\1\0\0\2"}), b""),
    (Entry(b"block", Kind.FILE, 0o644, size=512), b"x" * 512),
]


def written(entries: list[tuple[Entry, bytes]] = ENTRIES) -> bytes:
    out: list[bytes] = []
    writer = TarWriter(lambda data: out.append(bytes(data)))
    for entry, data in entries:
        writer.add(entry)
        if data:
            writer.data(data)
    writer.finish()
    return b"".join(out)


def test_what_is_written_reads_back_the_same() -> None:
    assert read(written()) == ENTRIES


def test_tarfile_agrees() -> None:
    with tarfile.open(fileobj=io.BytesIO(written()), errors="surrogateescape", encoding="utf-8") as tar:
        members = tar.getmembers()
        names = [member.name.encode("utf-8", "surrogateescape") for member in members]
        # tarfile can't tell that a pax header isn't UTF-8 (our eighth name is in a plain header, the ninth is not)
        assert [name for name in names if b"\xc3" not in name] == [
            entry.name.rstrip(b"/") for entry, _ in ENTRIES if b"\xc3" not in entry.name
        ]
        for member, (entry, data) in zip(members, ENTRIES, strict=True):
            assert (member.mode, member.uid, member.gid, member.size) == (entry.mode, entry.uid, entry.gid, entry.size)
            if entry.kind is Kind.FILE:
                file = tar.extractfile(member)
                assert file is not None
                assert file.read() == data


def test_gnu_tar_extracts_names_times_and_contents(tmp_path: Path) -> None:
    wanted = [entry for entry in ENTRIES if entry[0].kind in (Kind.FILE, Kind.DIRECTORY) and entry[0].uid < 2000]
    subprocess.run(
        ["tar", "-xf", "-", "-C", str(tmp_path), "--no-same-owner", "--no-same-permissions", "--warning=no-timestamp"],
        input=written([(entry, data) for entry, data in wanted if entry.mtime < 2**33 * 10**9]),
        check=True,
        capture_output=True,
    )
    import os

    for entry, data in wanted:
        path = os.fsencode(tmp_path) + b"/" + entry.name.rstrip(b"/")
        if entry.mtime >= 2**33 * 10**9:
            continue
        found = os.stat(path)
        if entry.kind is Kind.FILE:
            with open(path, "rb") as file:
                assert file.read() == data
        assert found.st_mtime_ns == entry.mtime


def test_sparse_entry(tmp_path: Path) -> None:
    entry = Entry(b"sparse", Kind.FILE, 0o644, size=1 << 30, extents=(4096, 1024, 1 << 29, 5, 1 << 30, 0))
    content = b"a" * 1024 + b"defgh"
    data = written([(entry, content), (Entry(b"after", Kind.FILE, size=1), b"z")])
    assert read(data)[0] == (entry, content)
    subprocess.run(["tar", "-xf", "-", "-C", str(tmp_path)], input=data, check=True)
    with (tmp_path / "sparse").open("rb") as file:
        assert file.seek(0, 2) == 1 << 30
        file.seek(4094)
        assert file.read(1028) == b"\0\0" + b"a" * 1024 + b"\0\0"
        file.seek(1 << 29)
        assert file.read(6) == b"defgh\0"
    assert (tmp_path / "sparse").stat().st_blocks < 1000
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        member = tar.getmember("sparse")
        assert member.size == 1 << 30


def test_sparse_file_that_is_one_hole() -> None:
    entry = Entry(b"hole", Kind.FILE, 0o644, size=1 << 40, extents=())
    assert read(written([(entry, b"")])) == [(entry, b"")]


def test_size_beyond_octal() -> None:
    entry = Entry(b"big", Kind.FILE, 0o644, size=9 << 30)
    out: list[bytes] = []
    writer = TarWriter(lambda data: out.append(bytes(data)))
    writer.add(entry)
    writer.data(b"")
    writer.finish()
    with tarfile.open(fileobj=io.BytesIO(b"".join(out))) as tar:
        info = tar.next()
        assert info is not None
        assert info.size == 9 << 30


@pytest.mark.parametrize(
    "entry", [Entry(b"", Kind.FILE), Entry(b"a\0b", Kind.FILE), Entry(b"m", Kind.FILE, mtime=2**200)]
)
def test_what_cannot_be_expressed_is_refused(entry: Entry) -> None:
    with pytest.raises(InvalidArgument):
        written([(entry, b"")])


def test_output_comes_in_large_blocks() -> None:
    sizes: list[int] = []
    writer = TarWriter(lambda data: sizes.append(len(data)))
    for number in range(2000):
        writer.add(Entry(b"f%d" % number, Kind.FILE, size=100))
        writer.data(b"x" * 100)
    writer.add(Entry(b"large", Kind.FILE, size=1 << 20))
    writer.data(memoryview(bytes(1 << 20)))
    writer.finish()
    assert len(sizes) < 20
    assert sum(sizes) % 512 == 0
