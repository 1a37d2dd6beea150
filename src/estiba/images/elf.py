"""What an ELF program loads at its start, read from its headers, and where this machine's loader finds it (ld.so(8)).

Nothing is executed: `ldd` would run the program's own loader.
"""

from __future__ import annotations

import glob
import os
import struct
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_PT_LOAD: Final = 1
_PT_DYNAMIC: Final = 2
_PT_INTERP: Final = 3
_DT_NEEDED, _DT_STRTAB, _DT_RPATH, _DT_RUNPATH = 1, 5, 15, 29
_CACHE_MAGIC: Final = b"glibc-ld.so.cache1.1"
_DEFAULT_DIRECTORIES: Final = ("/lib", "/usr/lib", "/lib64", "/usr/lib64")


@dataclass(frozen=True)
class Elf:
    """A program or library.

    Attributes:
        kind: (class, byte order, machine): what can be loaded into the same process.
        interpreter: the loader, "" for a library or a static program.
        needed: names of libraries.
        search: directories that it names itself, $ORIGIN replaced.
    """

    kind: tuple[int, int, int]
    interpreter: str
    needed: tuple[str, ...]
    search: tuple[str, ...]


def read_elf(path: str) -> Elf | None:
    """Read a file's ELF headers; None when it is no ELF file or a damaged one. Raises OSError."""
    with open(path, "rb") as file:
        head = file.read(64)
        if head[:4] != b"\x7fELF" or len(head) < 52:
            return None
        try:
            return _Headers(file.fileno(), head, os.path.dirname(os.path.realpath(path))).read()
        except (struct.error, ValueError, OverflowError, MemoryError):
            return None


class _Headers:
    """The headers of one open file."""

    def __init__(self, descriptor: int, head: bytes, origin: str) -> None:
        self._descriptor = descriptor
        self._origin = origin
        self._wide = head[4] == 2
        self._order = "<" if head[5] == 1 else ">"
        machine = self._unpack("H", head[18:20])[0]
        self._kind = (head[4], head[5], machine)
        if self._wide:
            self._table = self._unpack("Q", head[32:40])[0]
            self._size, self._count = self._unpack("HH", head[54:58])
        else:
            self._table = self._unpack("I", head[28:32])[0]
            self._size, self._count = self._unpack("HH", head[42:46])

    def read(self) -> Elf:
        loads: list[tuple[int, int, int]] = []
        interpreter, dynamic = "", b""
        for kind, offset, address, size in self._segments():
            if kind == _PT_LOAD:
                loads.append((address, offset, size))
            elif kind == _PT_INTERP:
                interpreter = os.pread(self._descriptor, min(size, 4096), offset).rstrip(b"\0").decode()
            elif kind == _PT_DYNAMIC:
                dynamic = os.pread(self._descriptor, min(size, 1 << 20), offset)
        entries = list(self._dynamic(dynamic))
        table = next((self._offset(value, loads) for tag, value in entries if tag == _DT_STRTAB), 0)
        needed = tuple(self._string(table + value) for tag, value in entries if tag == _DT_NEEDED)
        runpath = [self._string(table + value) for tag, value in entries if tag == _DT_RUNPATH]
        rpath = [self._string(table + value) for tag, value in entries if tag == _DT_RPATH]
        return Elf(self._kind, interpreter, needed, tuple(self._directories(runpath or rpath)))

    def _unpack(self, form: str, data: bytes) -> tuple[int, ...]:
        return struct.unpack(self._order + form, data)

    def _segments(self) -> Iterator[tuple[int, int, int, int]]:
        """(type, offset, address, size in the file) of each program header."""
        data = os.pread(self._descriptor, self._size * self._count, self._table)
        for number in range(self._count):
            header = data[number * self._size : (number + 1) * self._size]
            if self._wide:
                kind, _, offset, address, _, size = self._unpack("IIQQQQ", header[:40])
            else:
                kind, offset, address, _, size = self._unpack("IIIII", header[:20])
            yield kind, offset, address, size

    def _dynamic(self, data: bytes) -> Iterator[tuple[int, int]]:
        form, step = ("QQ", 16) if self._wide else ("II", 8)
        for position in range(0, len(data) - step + 1, step):
            tag, value = self._unpack(form, data[position : position + step])
            if tag == 0:
                return
            yield tag, value

    @staticmethod
    def _offset(address: int, loads: list[tuple[int, int, int]]) -> int:
        for start, offset, size in loads:
            if start <= address < start + size:
                return address - start + offset
        raise ValueError("address in no segment")

    def _string(self, offset: int) -> str:
        return os.pread(self._descriptor, 4096, offset).partition(b"\0")[0].decode()

    def _directories(self, paths: list[str]) -> Iterator[str]:
        library = "lib64" if self._wide else "lib"
        for path in ":".join(paths).split(":"):
            if path:
                expanded = path.replace("${ORIGIN}", "$ORIGIN").replace("$ORIGIN", self._origin)
                yield expanded.replace("${LIB}", library).replace("$LIB", library)


def find_library(name: str, by: Elf) -> str | None:
    """The file that the loader takes for a library named by a program or library; None when there is none."""
    if "/" in name:
        return name if _fits(name, by) else None
    candidates = [os.path.join(directory, name) for directory in by.search]
    candidates += _cached().get(name, [])
    candidates += [os.path.join(directory, name) for directory in _default_directories()]
    return next((path for path in candidates if _fits(path, by)), None)


def _fits(path: str, by: Elf) -> bool:
    try:
        found = read_elf(path)
    except OSError:
        return False
    return found is not None and found.kind == by.kind


@cache
def _default_directories() -> tuple[str, ...]:
    """The loader's own directories: Debian's multiarch ones, musl's, the classic ones."""
    multiarch = [path for pattern in ("/lib/*-linux-*", "/usr/lib/*-linux-*") for path in sorted(glob.glob(pattern))]
    return (*multiarch, "/usr/local/lib", *_DEFAULT_DIRECTORIES)


@cache
def _cached() -> dict[str, list[str]]:
    """ld.so.cache: library → paths, those for every processor of a kind first."""
    try:
        with open("/etc/ld.so.cache", "rb") as file:
            return parse_cache(file.read())
    except (OSError, struct.error):
        return {}


def parse_cache(data: bytes) -> dict[str, list[str]]:
    """Read glibc's cache (sysdeps/generic/dl-cache.h); {} for another format. Raises struct.error for a damaged one."""
    start = data.find(_CACHE_MAGIC)
    if start < 0:
        return {}
    data = data[start:]
    (count,) = struct.unpack_from("=I", data, 20)
    found: dict[str, list[str]] = {}
    special: list[tuple[str, str]] = []
    for number in range(count):
        _, key, value, _, capabilities = struct.unpack_from("=iIIIQ", data, 48 + 24 * number)
        name, path = (os.fsdecode(data[at : data.index(b"\0", at)]) for at in (key, value))
        if capabilities:
            special.append((name, path))
        else:
            found.setdefault(name, []).append(path)
    for name, path in special:
        found.setdefault(name, []).append(path)
    return found
