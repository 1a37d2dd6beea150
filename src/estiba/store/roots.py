"""How several root directories are told apart in the names of run directories and cgroups."""

from __future__ import annotations

from binascii import crc32

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os


def root_id(status: os.stat_result) -> str:
    """Eight hexadecimal digits for a directory: of its inode and of its device, since every tmpfs begins at inode 1."""
    return f"{crc32(f'{status.st_dev}:{status.st_ino}'.encode()):08x}"
