"""The launch plan's wire format: operation codes, records, encoding and decoding; native/plan.h has the meanings."""

from __future__ import annotations

import functools
import os
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from estiba.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HEADER: Final = struct.Struct("<4sIII")
RECORD: Final = struct.Struct("<HHIQQQQ")
MAGIC: Final = b"EPL1"
VERSION: Final = 1
NONE: Final = 2**64 - 1
ROOT: Final = 0xFFFF
SLOTS: Final = 1024
MOST_STRINGS: Final = 2**16 - 1
MOST_BYTES: Final = 64 << 20
FIRST_PLANNED: Final = 8


class Code(IntEnum):
    """OP_* of native/plan.h."""

    STDIO = 1
    LOG = 2
    OOM = 3
    DESCRIPTORS = 4
    SHIM_CGROUP = 5
    CLONE = 10
    CGROUP = 11
    SETNS = 12
    USERNS = 13
    UNSHARE = 14
    KEYRING = 15
    LOOPBACK = 16
    PROPAGATION = 20
    CHDIR = 21
    NEW = 22
    TREE = 23
    ATTRIBUTES = 24
    IDMAP = 25
    ROOT = 26
    ATTACH = 27
    SYMLINK = 29
    NODE = 30
    CONSOLE = 31
    PIVOT = 32
    READONLY = 33
    MASK = 34
    HOSTNAME = 40
    DOMAINNAME = 41
    SYSCTL = 42
    RLIMIT = 43
    OOM_SCORE = 44
    UMASK = 45
    NO_NEW_PRIVS = 46
    CWD = 47
    STDIO_OWNER = 48
    CLOSE = 49
    BOUNDING = 50
    IDENTITY = 51
    CAPABILITIES = 52
    LOOKUP = 53
    SECCOMP = 54
    EXEC = 55
    APPARMOR = 56


STDIO_STDIN: Final = 1
STDIO_STDIN_ONCE: Final = 2
STDIO_TERMINAL: Final = 4
NEW_LEGACY: Final = 1
TREE_RECURSIVE: Final = 1
TREE_ADOPT: Final = 2
ATTRIBUTES_RECURSIVE: Final = 1 << 32
ATTACH_CREATE: Final = 1
ATTACH_REAL: Final = 2
ATTACH_PROC: Final = 4
ATTACH_LIKE: Final = 8
CONSOLE_BIND: Final = 1
CONSOLE_LATER: Final = 2

CLONE_FLAGS: Final = {
    "mount": 0x00020000,
    "cgroup": 0x02000000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "network": 0x40000000,
}

_WITH_BLOB: Final = frozenset({Code.IDENTITY, Code.SECCOMP})


@dataclass(frozen=True, slots=True)
class Operation:
    """One record, decoded."""

    code: Code
    a: int
    b: int
    c: int
    d: int
    strings: tuple[str, ...] = ()
    blob: bytes = b""


def encode(
    code: Code, a: int = 0, b: int = 0, c: int = 0, d: int = 0, *, strings: Sequence[str] = (), blob: bytes = b""
) -> bytes:
    """One record. Numbers are taken modulo 2^64; for codes with a blob, d is its length.

    Raises InvalidArgument for a string with a NUL byte, and for more strings than a record has room for.
    """
    if not strings:
        return _with_blob(code, a, b, c, blob) if blob else _numbers(code, a, b, c, d)
    body = "\0".join(strings).encode("utf-8", "surrogateescape") + b"\0"
    if body.count(0) != len(strings):
        raise InvalidArgument(f"a NUL character is not allowed: {next(s for s in strings if chr(0) in s)!r}")
    if len(strings) > MOST_STRINGS:
        raise InvalidArgument(f"argument list too long: at most {MOST_STRINGS} arguments and variables are possible")
    size = RECORD.size + len(body) + 7 & ~7
    return (RECORD.pack(code, len(strings), size, a & NONE, b & NONE, c & NONE, d & NONE) + body).ljust(size, b"\0")


@functools.lru_cache(maxsize=1024)
def _numbers(code: Code, a: int, b: int, c: int, d: int) -> bytes:
    return RECORD.pack(code, 0, RECORD.size, a & NONE, b & NONE, c & NONE, d & NONE)


def _with_blob(code: Code, a: int, b: int, c: int, blob: bytes) -> bytes:
    size = RECORD.size + len(blob) + 7 & ~7
    return (RECORD.pack(code, 0, size, a & NONE, b & NONE, c & NONE, len(blob)) + blob).ljust(size, b"\0")


def assemble(chunks: Sequence[bytes]) -> bytes:
    """The plan of these chunks, each of which is one or more records (or none)."""
    body = b"".join(chunks)
    size = HEADER.size + len(body)
    if size > MOST_BYTES:
        raise InvalidArgument(f"argument list too long: a start takes at most {MOST_BYTES} bytes, this one has {size}")
    count = 0
    for chunk in chunks:
        if chunk:
            count += 1 if int.from_bytes(chunk[4:8], "little") == len(chunk) else _count(chunk)
    return HEADER.pack(MAGIC, VERSION, count, size) + body


@functools.lru_cache(maxsize=256)
def _count(chunk: bytes) -> int:
    at = count = 0
    while at < len(chunk):
        at += int.from_bytes(chunk[at + 4 : at + 8], "little")
        count += 1
    return count


def decode(plan: bytes) -> Iterator[Operation]:
    """The operations of an assembled plan, in order."""
    at = HEADER.size
    while at < len(plan):
        code, count, size, a, b, c, d = RECORD.unpack_from(plan, at)
        body = plan[at + RECORD.size : at + size]
        at += size
        kind = Code(code)
        if kind in _WITH_BLOB:
            yield Operation(kind, a, b, c, d, blob=body[:d])
        else:
            yield Operation(kind, a, b, c, d, tuple(map(os.fsdecode, body.split(b"\0")[:count])))
