"""What kind of file system a file is on: fstatfs(2), of which os.statvfs shows everything but that."""

from __future__ import annotations

import ctypes
from typing import Final

from estiba.linux.libc import LIBC, failure

# <linux/magic.h>
PROC: Final = 0x9FA0
TMPFS: Final = 0x01021994
_ROOM: Final = 256  # struct statfs has 120 bytes, the first of which are f_type


def file_system_type(descriptor: int) -> int:
    """f_type of the file's file system; the descriptor may be O_PATH. Raises OSError."""
    result = (ctypes.c_long * (_ROOM // ctypes.sizeof(ctypes.c_long)))()
    if LIBC.fstatfs(ctypes.c_int(descriptor), ctypes.byref(result)) == -1:
        raise failure(f"/proc/self/fd/{descriptor}")
    return int(result[0])
