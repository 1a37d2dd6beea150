"""One door to the C library for calls that Python lacks: every failure becomes an OSError that names its path."""

from __future__ import annotations

import ctypes
import os
from typing import Final

LIBC: Final = ctypes.CDLL(None, use_errno=True)
_SYSCALL: Final = LIBC.syscall
_SYSCALL.restype = ctypes.c_long

Argument = int | bytes | None


def _convert(argument: Argument) -> object:
    if isinstance(argument, int):
        return ctypes.c_long(argument)
    return ctypes.c_char_p(argument)


def syscall(number: int, *arguments: Argument, path: str | bytes = "") -> int:
    """syscall(2) with integers, addresses and NUL-terminated bytes; the GIL is released meanwhile.

    Raises:
        OSError: with the kernel's errno and `path` as its filename.
    """
    result = _SYSCALL(ctypes.c_long(number), *[_convert(argument) for argument in arguments])
    if result == -1:
        raise failure(path)
    return int(result)


def failure(path: str | bytes = "") -> OSError:
    """The OSError of the C library call that has just failed in this thread."""
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), os.fsdecode(path))


def syncfs(descriptor: int) -> None:
    """Write everything of the descriptor's file system to the disk: syncfs(2); raises what writing back failed with."""
    if LIBC.syncfs(ctypes.c_int(descriptor)) == -1:
        raise failure(f"/proc/self/fd/{descriptor}")
