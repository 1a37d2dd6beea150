"""Tar, fuzzed: what we write reads back, other programs agree, and no bytes make the reader do anything but refuse."""

from __future__ import annotations

import io
import tarfile

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.images import archives as a

from estiba.errors import InvalidArgument
from estiba.images.tar import Entry, Kind
from estiba.images.tarreader import TarReader
from estiba.images.tarwriter import TarWriter

NAMES = st.binary(min_size=1, max_size=300).filter(lambda name: b"\0" not in name)
ATTRIBUTES = st.dictionaries(
    st.binary(min_size=1, max_size=30).filter(lambda name: b"\0" not in name).map(lambda name: b"user." + name),
    st.binary(max_size=300),
    min_size=1,
    max_size=4,
)


@st.composite
def entries(draw: st.DrawFn) -> tuple[Entry, bytes]:
    kind = draw(st.sampled_from(Kind))
    name = draw(NAMES)
    if kind is Kind.DIRECTORY:
        name = name.rstrip(b"/") + b"/"
    elif kind is Kind.FILE:
        name = name.rstrip(b"/") or b"f"
    content = draw(st.binary(max_size=2000)) if kind is Kind.FILE else b""
    device = (draw(st.integers(0, 4095)), draw(st.integers(0, 2**20 - 1)))
    return (
        Entry(
            name,
            kind,
            draw(st.integers(0, 0o7777)),
            draw(st.integers(0, 2**32 - 2)),
            draw(st.integers(0, 2**32 - 2)),
            len(content),
            draw(st.integers(-(10**19), 10**20)),
            draw(NAMES) if kind in (Kind.HARDLINK, Kind.SYMLINK) else b"",
            device if kind in (Kind.CHARACTER, Kind.BLOCK) else (0, 0),
            draw(st.none() | ATTRIBUTES),
        ),
        content,
    )


def write(members: list[tuple[Entry, bytes]]) -> bytes:
    out = io.BytesIO()
    writer = TarWriter(out.write)
    for entry, content in members:
        writer.add(entry)
        writer.data(content)
    writer.finish()
    return out.getvalue()


@settings(deadline=None)
@given(st.lists(entries(), max_size=6), st.integers(1, 3000))
def test_what_is_written_reads_back(members: list[tuple[Entry, bytes]], block: int) -> None:
    assert a.read(write(members), block) == members


@settings(deadline=None)
@given(st.lists(entries(), max_size=4))
def test_tarfile_reads_what_is_written(members: list[tuple[Entry, bytes]]) -> None:
    with tarfile.open(fileobj=io.BytesIO(write(members)), errors="surrogateescape") as tar:
        found = tar.getmembers()
        assert len(found) == len(members)
        for info, (entry, content) in zip(found, members, strict=True):
            assert (info.mode, info.uid, info.gid) == (entry.mode, entry.uid, entry.gid)
            assert info.mtime == entry.mtime / 10**9 or abs(info.mtime - entry.mtime / 10**9) < 1
            if entry.kind is Kind.FILE:
                file = tar.extractfile(info)
                assert file is not None
                assert file.read() == content


def exhaust(data: bytes) -> None:
    """Read everything; refusing is fine, everything else than InvalidArgument is not."""
    reader = TarReader([data[:700], data[700:]])
    try:
        for entry in reader:
            assert entry.size >= 0
            assert entry.name.find(b"\0") == -1
            total = sum(len(piece) for piece in reader.data())
            assert total == reader.stored
    except InvalidArgument:
        return


@settings(deadline=None)
@given(st.binary(max_size=3000))
def test_noise(data: bytes) -> None:
    exhaust(data)


@settings(max_examples=400, deadline=None)
@given(st.data(), st.lists(entries(), min_size=1, max_size=4))
def test_damaged_archives(data: st.DataObject, members: list[tuple[Entry, bytes]]) -> None:
    raw = bytearray(write(members))
    for _ in range(data.draw(st.integers(1, 8))):
        position = data.draw(st.integers(0, len(raw) - 1))
        raw[position] = data.draw(st.integers(0, 255))
    exhaust(bytes(raw[: data.draw(st.integers(0, len(raw)))]))


FIELDS = st.binary(min_size=12, max_size=12)


@settings(max_examples=400, deadline=None)
@given(
    kind=st.sampled_from([b"0", b"1", b"2", b"3", b"5", b"7", b"D", b"S", b"V", b"g", b"x", b"L", b"K", b"\0"]),
    size=FIELDS | st.sampled_from([a.octal(n) for n in (0, 1, 511, 512, 513, 1024)]),
    mode=st.binary(min_size=8, max_size=8),
    mtime=FIELDS,
    rest=st.binary(max_size=247),
    data=st.binary(max_size=1500),
)
def test_headers_with_right_checksums(
    kind: bytes, size: bytes, mode: bytes, mtime: bytes, rest: bytes, data: bytes
) -> None:
    exhaust(a.header(kind=kind, size=size, mode=mode, mtime=mtime, rest=rest) + a.padded(data) + a.header(b"next"))


RECORDS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                b"path", b"linkpath", b"size", b"uid", b"gid", b"mtime", b"GNU.sparse.major", b"GNU.sparse.minor",
                b"GNU.sparse.name", b"GNU.sparse.realsize", b"GNU.sparse.size", b"GNU.sparse.map",
                b"GNU.sparse.numblocks", b"GNU.sparse.offset", b"GNU.sparse.numbytes", b"SCHILY.xattr.user.a",
            ]
        ),
        st.integers(-5, 2000).map(lambda number: b"%d" % number)
        | st.binary(max_size=20)
        | st.sampled_from([b"1", b"0,5,10,3"]),
    ),
    max_size=8,
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(records=RECORDS, data=st.binary(max_size=1200) | st.just(b"1\n0\n512\n"))
def test_extended_headers(records: list[tuple[bytes, bytes]], data: bytes) -> None:
    exhaust(a.extended(*records) + a.header(size=a.octal(len(data))) + a.padded(data) + a.END)
