"""Sealed anonymous files: a program or message handed to another process, which nobody can change any more."""

from __future__ import annotations

import errno
import fcntl
import os
from typing import Final

from estiba.linux.files import write_all

_SEALS: Final = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
# <linux/memfd.h>, since Linux 6.3; older kernels answer EINVAL and make every memfd executable.
_MFD_NOEXEC_SEAL: Final = 0x0008
_MFD_EXEC: Final = 0x0010


def sealed(name: str, data: bytes, *, executable: bool = False) -> int:
    """A descriptor of a memfd with this content, sealed against every change (memfd_create(2), F_ADD_SEALS).

    executable: the content is a program that execve(2) may run through /proc/self/fd. The caller owns the descriptor.
    """
    descriptor = _create(name, _MFD_EXEC if executable else _MFD_NOEXEC_SEAL)
    try:
        write_all(descriptor, data)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _create(name: str, execution: int) -> int:
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        return os.memfd_create(name, flags | execution)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return os.memfd_create(name, flags)
