"""openat2(2): open a path that may not lead where its directory descriptor does not want it to."""

from __future__ import annotations

import errno
import os
import struct
from typing import Final

from estiba.linux.libc import syscall

# <linux/openat2.h>
RESOLVE_NO_XDEV: Final = 0x01
RESOLVE_NO_MAGICLINKS: Final = 0x02
RESOLVE_NO_SYMLINKS: Final = 0x04
RESOLVE_BENEATH: Final = 0x08
RESOLVE_IN_ROOT: Final = 0x10
RESOLVE_CACHED: Final = 0x20

_NR_OPENAT2: Final = 437
_OPEN_HOW: Final = struct.Struct("QQQ")
# A rename or mount anywhere on the machine while ".." is resolved gives EAGAIN: the kernel could not prove
# that the walk stayed inside (Documentation/filesystems/path-lookup.rst). A busy neighbour can do it often.
_ATTEMPTS: Final = 128


def openat2(directory: int, path: str | bytes, flags: int, *, mode: int = 0, resolve: int = 0) -> int:
    """Open `path` relative to the descriptor `directory` under the RESOLVE_* rules; close-on-exec is always set.

    Raises:
        OSError: as open(2); EXDEV when the path would leave the directory, ELOOP for a link that is not allowed.
    """
    how = _OPEN_HOW.pack(flags | os.O_CLOEXEC, mode, resolve)
    name = os.fsencode(path)
    if b"\0" in name:
        raise OSError(errno.EINVAL, "embedded null byte", path)
    for attempt in range(_ATTEMPTS):
        try:
            return syscall(_NR_OPENAT2, directory, name, how, len(how), path=path)
        except OSError as error:
            if error.errno != errno.EAGAIN or attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def open_in_root(root: int, path: str | bytes, flags: int = os.O_PATH, *, mode: int = 0) -> int:
    """Open `path` as a process chroot'ed to the directory descriptor `root` would, whatever links and races lie there.

    Absolute links and `..` at the top lead back to `root`; links of /proc that jump elsewhere are refused.
    """
    return openat2(root, path or b".", flags, mode=mode, resolve=RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
