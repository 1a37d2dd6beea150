"""The reader against tarfile, GNU tar, and headers by hand."""

from __future__ import annotations

import os
import tarfile
from typing import TYPE_CHECKING

import pytest
from tests.unit.images import archives as a

from estiba.errors import InvalidArgument
from estiba.images.tar import Kind
from estiba.images.tarreader import META_BYTES, TarReader

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("block", [1, 511, 512, 1 << 20])
def test_ordinary_members_in_every_format_and_blocking(form: int, block: int) -> None:
    data = a.archive(
        a.directory("dir/", mode=0o1777, mtime=5),
        a.member("dir/file", data=b"x" * 1300, uid=1000, gid=1001, mode=0o4755),
        a.symlink("dir/link", "../target"),
        a.hardlink("dir/hard", "dir/file"),
        a.member("null", a.CHAR, devmajor=1, devminor=3),
        a.member("disk", a.BLOCK, devmajor=8, devminor=17),
        a.member("pipe", a.FIFO),
        form=form,
    )
    found = a.read(data, block)
    assert [entry.kind for entry, _ in found] == [
        Kind.DIRECTORY,
        Kind.FILE,
        Kind.SYMLINK,
        Kind.HARDLINK,
        Kind.CHARACTER,
        Kind.BLOCK,
        Kind.FIFO,
    ]
    assert [entry.name for entry, _ in found][:2] == [b"dir/", b"dir/file"]
    entry, content = found[1]
    assert (entry.mode, entry.uid, entry.gid, entry.size, content) == (0o4755, 1000, 1001, 1300, b"x" * 1300)
    assert found[0][0].mtime == 5_000_000_000
    assert found[2][0].link == b"../target"
    assert found[3][0].link == b"dir/file"
    assert (found[4][0].device, found[5][0].device) == ((1, 3), (8, 17))


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_targets(form: int) -> None:
    name, target = "d/" * 200 + "n" * 255, "t/" * 300 + "é"
    [(entry, _)] = a.read(a.archive(a.symlink(name, target), form=form))
    assert (entry.name, entry.link) == (name.encode(), target.encode())


def test_ustar_prefix() -> None:
    name = "p" * 120 + "/" + "n" * 90
    [(entry, _)] = a.read(a.archive(a.member(name), form=tarfile.USTAR_FORMAT))
    assert entry.name == name.encode()


def test_old_gnu_headers_have_no_prefix() -> None:
    block = a.header(b"name", magic=b"ustar  \0", rest=bytes(80) + b"12345670000\0")
    assert a.read(block + a.END)[0][0].name == b"name"


def test_v7_header_and_directory_by_slash() -> None:
    data = a.header(b"old", magic=bytes(8), kind=b"\0") + a.header(b"olddir/", magic=bytes(8), kind=b"\0")
    assert [entry.kind for entry, _ in a.read(data + a.END)] == [Kind.FILE, Kind.DIRECTORY]


def test_fractions_of_seconds_and_negative_times() -> None:
    data = a.archive(
        a.member("new", pax_headers={"mtime": "1700000000.123456789"}),
        a.member("old", pax_headers={"mtime": "-1.5"}),
        a.member("short", pax_headers={"mtime": "12.5"}),
    )
    assert [entry.mtime for entry, _ in a.read(data)] == [1_700_000_000_123_456_789, -1_500_000_000, 12_500_000_000]


def test_base_256_numbers() -> None:
    big = 1 << 40
    data = a.header(
        uid=b"\x80" + (3_000_000_000).to_bytes(7, "big"),
        mtime=b"\xff" + (-7 & (1 << 88) - 1).to_bytes(11, "big"),
        size=b"\x80" + big.to_bytes(11, "big"),
    )
    entry = next(iter(TarReader([data])))
    assert (entry.uid, entry.mtime, entry.size) == (3_000_000_000, -7_000_000_000, big)


def test_xattrs_and_later_records_win() -> None:
    data = a.extended((b"SCHILY.xattr.user.a", b"\0\n=\xff"), (b"path", b"one"), (b"path", b"two")) + a.header() + a.END
    [(entry, _)] = a.read(data)
    assert (entry.name, entry.xattrs) == (b"two", {b"user.a": b"\0\n=\xff"})


def test_global_headers_hold_until_changed() -> None:
    data = (
        a.extended((b"uid", b"77"), kind=b"g")
        + a.header(b"one")
        + a.extended((b"uid", b"88"))
        + a.header(b"two")
        + a.extended((b"uid", b""), kind=b"g")
        + a.header(b"three")
        + a.END
    )
    assert [entry.uid for entry, _ in a.read(data)] == [77, 88, 0]


def test_sizes_of_links_and_directories_mean_nothing() -> None:
    data = a.header(b"l", kind=b"1", size=a.octal(5000), link=b"x") + a.header(b"d", kind=b"5", size=a.octal(9)) + a.END
    assert [entry.size for entry, _ in a.read(data)] == [0, 0]


def test_unread_data_is_skipped_and_partly_read_data_too() -> None:
    data = a.archive(a.member("big", data=b"x" * 5000), a.member("next", data=b"y"))
    reader = TarReader([data])
    entries = iter(reader)
    next(entries)
    assert next(iter(reader.data()))
    assert next(entries).name == b"next"
    assert b"".join(reader.data()) == b"y"


def test_end_marks() -> None:
    entry = a.header()
    assert len(a.read(entry)) == 1  # left away, as some programs do
    assert len(a.read(entry + bytes(512))) == 1
    assert len(a.read(entry + a.END + bytes(20 * 512))) == 1
    assert len(a.read(entry + a.END + a.header(b"ignored"))) == 1
    assert a.read(b"") == []


def test_names_that_are_not_utf8() -> None:
    [(entry, _)] = a.read(a.header(b"\xff\xfe") + a.END)
    assert entry.name == b"\xff\xfe"


# sparse files, made by GNU tar


def sparse_file(directory: Path) -> bytes:
    path = directory / "sparse"
    with path.open("wb") as file:
        for index in range(40):
            file.seek(index * 131072)
            file.write(bytes([index + 1]) * 4096)
        file.truncate(64 << 20)
    return path.read_bytes()


@pytest.mark.parametrize(
    "options",
    [
        ["--format=gnu"],
        ["--format=posix", "--sparse-version=0.0"],
        ["--format=posix", "--sparse-version=0.1"],
        ["--format=posix", "--sparse-version=1.0"],
    ],
    ids=["gnu", "0.0", "0.1", "1.0"],
)
def test_sparse_forms(tmp_path: Path, options: list[str]) -> None:
    content = sparse_file(tmp_path)
    (tmp_path / "after").write_bytes(b"after")
    data = a.gnu_tar(tmp_path, "--sparse", *options, "sparse", "after")
    assert len(data) < 2 << 20
    (entry, stored), (after, after_content) = a.read(data, 4096)
    assert (entry.name, entry.size, after.name, after_content) == (b"sparse", 64 << 20, b"after", b"after")
    rebuilt = bytearray(entry.size)
    position = 0
    assert entry.extents
    for offset, length in zip(entry.extents[::2], entry.extents[1::2], strict=True):
        rebuilt[offset : offset + length] = stored[position : position + length]
        position += length
    assert bytes(rebuilt) == content


@pytest.mark.parametrize(
    ("sparse_map", "size", "why"),
    [
        (b"2\n0\n512\n100\n512\n", b"100000", "out of order"),
        (b"1\n0\n512\n", b"100", "beyond"),
        (b"1\n0\n9999\n", b"100000", "stored"),
        (b"1\n0\n-512\n", b"100000", "damaged"),
        (b"9999999999\n0\n512\n", b"100000", "too long"),
        (b"x\n", b"100000", "damaged"),
    ],
)
def test_hostile_sparse_maps(sparse_map: bytes, size: bytes, why: str) -> None:
    data = (
        a.extended(
            (b"GNU.sparse.major", b"1"),
            (b"GNU.sparse.minor", b"0"),
            (b"GNU.sparse.name", b"victim"),
            (b"GNU.sparse.realsize", size),
        )
        + a.header(size=a.octal(1024))
        + a.padded(sparse_map)
        + bytes(512)
        + a.END
    )
    with pytest.raises(InvalidArgument, match=f"victim.*{why}"):
        a.read(data)


def test_sparse_map_of_a_million_extents_is_refused() -> None:
    pairs = b",".join(b"%d,1" % (2 * index) for index in range(1_000_000))
    with pytest.raises(InvalidArgument, match="too large"):
        a.read(a.extended((b"GNU.sparse.map", pairs)) + a.header() + a.END)
    records = a.header(b"endless", kind=b"S", magic=b"ustar  \0")
    records = records[:482] + b"\1" + records[483:]
    total = sum(records[:148] + b" " * 8 + records[156:])
    records = records[:148] + b"%06o\0 " % total + records[156:]
    pair = a.octal(1) + a.octal(0)
    block = (pair * 21 + b"\1").ljust(512, b"\0")
    with pytest.raises(InvalidArgument, match=r"endless.*too long"):
        a.read(records + block * 20_000)


# damage


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (a.header(b"first") + b"x" * 512, "checksum.*first"),
        (a.header(b"first") + bytes(512) + a.header(b"second"), "lone zero block.*first"),
        (a.header(b"cut", size=a.octal(1000)) + b"x" * 600, "cut.*truncated"),
        (a.header(b"first") + a.header(b"half")[:100], "first.*truncated"),
        (a.header(b"neg", size=b"\xff" * 12), "neg.*size"),
        (a.header(b"huge", size=b"\x80" + b"\x7f" * 11), "huge.*size"),
        (a.header(b"neg", uid=b"\xff" * 8), "neg.*owner"),
        (a.header(b"big", gid=b"\x80\0\0" + b"\xff" * 5), "big.*owner"),
        (a.header(b"bad", size=b"12x45670000\0"), "bad.*number"),
        (a.header(b"bad", mode=b"-000644\0"), "bad.*number"),
        (a.header(b"odd", kind=b"Q"), "odd.*type"),
        (a.header(b"multi", kind=b"M"), "multi.*type"),
        (a.extended((b"path", b"a\0b")) + a.header(), "NUL"),
        (a.extended((b"size", b"-5")) + a.header(b"neg"), "neg.*size"),
        (a.extended((b"uid", b"99999999999")) + a.header(b"big"), "big.*owner"),
        (a.extended((b"mtime", b"yesterday")) + a.header(b"when"), "when.*time"),
        (a.extended((b"path", b"x")), "truncated"),
        (a.extended((b"path", b"x")) + a.END, "extended header"),
        (a.header(kind=b"x", size=a.octal(512)) + a.padded(b"999 path=x\n"), "damaged"),
        (a.header(kind=b"x", size=a.octal(11)) + a.padded(b"11 path=xyz"), "damaged"),
        (a.header(kind=b"x", size=a.octal(8)) + a.padded(b"8 path1\n"), "damaged"),
        (a.header(kind=b"x", size=a.octal(META_BYTES + 1)), "too large"),
        (a.extended((b"path", b"x")) * 9 + a.header(), "too large"),
        (a.header(kind=b"L", size=b"\xff" * 12), "size"),
        (b"garbage" * 200, "checksum"),
    ],
)
def test_damage_is_refused_and_named(data: bytes, why: str) -> None:
    with pytest.raises(InvalidArgument, match=why):
        a.read(data + a.END if len(data) % 512 == 0 and "truncated" not in why else data)


def test_endless_extended_headers_are_bounded() -> None:
    one = a.extended((b"comment", b"x" * 1_000_000)) + a.header()
    with pytest.raises(InvalidArgument, match="too many"):
        a.read(one * 70)


def test_trailing_data_is_bounded() -> None:
    def blocks():  # type: ignore[no-untyped-def]
        yield a.header() + a.END
        while True:
            yield bytes(1 << 20)

    with pytest.raises(InvalidArgument, match="end mark"):
        list(TarReader(blocks()))


def test_signed_checksums_of_old_programs() -> None:
    block = bytearray(a.header(b"\xff\xe9", magic=bytes(8)))
    block[148:156] = b" " * 8
    signed = sum(byte - 256 if byte > 127 else byte for byte in block)
    block[148:156] = b"%06o\0 " % signed
    assert a.read(bytes(block) + a.END)[0][0].name == b"\xff\xe9"


def test_messages_escape_control_characters_and_cut_long_names() -> None:
    with pytest.raises(InvalidArgument) as raised:
        a.read(a.extended((b"path", b"\x1b[31m" + b"n" * 5000)) + a.header(kind=b"Q") + a.END)
    assert "\\x1b" in raised.value.message
    assert len(raised.value.message) < 400


def test_gnu_tar_of_this_checkout_reads_like_tarfile(tmp_path: Path) -> None:
    source = os.path.dirname(os.path.dirname(__file__))
    for form in ("gnu", "pax", "ustar", "v7"):
        path = tmp_path / form
        path.write_bytes(a.gnu_tar(source, f"--format={form}", "images"))  # type: ignore[arg-type]
        with tarfile.open(path) as tar:
            expected = [
                (info.name, info.size, info.mode, info.uid, tar.extractfile(info).read() if info.isfile() else b"")  # type: ignore[union-attr]
                for info in tar
            ]
        found = [
            (entry.name.decode().rstrip("/"), entry.size, entry.mode, entry.uid, content)
            for entry, content in a.read(path.read_bytes())
        ]
        assert found == expected
