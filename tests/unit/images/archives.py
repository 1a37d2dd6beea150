"""Archives for tests, made by other programs than the one under test: tarfile, GNU tar and bytes by hand."""

from __future__ import annotations

import io
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any

from estiba.images.tarreader import TarReader

if TYPE_CHECKING:
    from pathlib import Path

    from estiba.images.tar import Entry

FILE, LINK, SYMLINK, CHAR, BLOCK, DIRECTORY, FIFO = (
    tarfile.REGTYPE,
    tarfile.LNKTYPE,
    tarfile.SYMTYPE,
    tarfile.CHRTYPE,
    tarfile.BLKTYPE,
    tarfile.DIRTYPE,
    tarfile.FIFOTYPE,
)


def member(name: str, kind: bytes = FILE, data: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.size = len(data)
    info.mode = 0o755 if kind == DIRECTORY else 0o644
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def directory(name: str, **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, DIRECTORY, **fields)


def symlink(name: str, target: str, **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, SYMLINK, linkname=target, **fields)


def hardlink(name: str, target: str, **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, LINK, linkname=target, **fields)


def archive(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form, errors="surrogateescape") as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def body(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """An archive without its end mark, to be continued."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
        end = tar.offset
    return out.getvalue()[:end]


def header(
    name: bytes = b"file",
    *,
    kind: bytes = b"0",
    size: bytes = b"00000000000\0",
    mode: bytes = b"0000644\0",
    uid: bytes = b"0000000\0",
    gid: bytes = b"0000000\0",
    mtime: bytes = b"00000000000\0",
    link: bytes = b"",
    magic: bytes = b"ustar\x0000",
    rest: bytes = b"",
    checksum: bytes | None = None,
) -> bytes:
    """One header block, every field as given."""
    block = name.ljust(100, b"\0") + mode + uid + gid + size + mtime + b" " * 8 + kind + link.ljust(100, b"\0") + magic
    block = (block + rest).ljust(512, b"\0")
    assert len(block) == 512
    value = checksum if checksum is not None else b"%06o\0 " % sum(block)
    return block[:148] + value + block[156:]


def octal(number: int, width: int = 12) -> bytes:
    return b"%0*o\0" % (width - 1, number)


def extended(*records: tuple[bytes, bytes], kind: bytes = b"x") -> bytes:
    """A pax header and its records."""
    data = b""
    for key, value in records:
        length = len(key) + len(value) + 3
        length += len(str(length + len(str(length))))
        data += b"%d %s=%s\n" % (length, key, value)
    return header(b"PaxHeaders/x", kind=kind, size=octal(len(data))) + data + bytes(-len(data) % 512)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


END = bytes(1024)


def read(data: bytes, block: int = 1 << 20) -> list[tuple[Entry, bytes]]:
    """Every entry with its stored bytes, the stream cut into blocks of the given size."""
    blocks = (data[start : start + block] for start in range(0, len(data), block))
    reader = TarReader(blocks)
    return [(entry, b"".join(reader.data())) for entry in reader]


def gnu_tar(directory: Path, *arguments: str) -> bytes:
    return subprocess.run(
        ["tar", "-C", str(directory), "-cf", "-", *arguments],
        check=True,
        capture_output=True,
        env={"LC_ALL": "C.UTF-8"},
    ).stdout
