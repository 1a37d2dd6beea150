"""Names of root directories."""

from __future__ import annotations

import os

from estiba.store.roots import root_id


def status(device: int, inode: int) -> os.stat_result:
    return os.stat_result((0o40755, inode, device, 2, 0, 0, 4096, 0, 0, 0))


def test_devices_count_as_much_as_inodes() -> None:
    names = {root_id(status(device, inode)) for device in range(40, 80) for inode in (1, 2, 128, 1 << 40)}
    assert len(names) == 160
    assert all(len(name) == 8 for name in names)
    assert root_id(status(40, 1)) == root_id(status(40, 1))
