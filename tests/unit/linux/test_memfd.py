from __future__ import annotations

import os

import pytest

from estiba.linux import memfd


@pytest.mark.parametrize("executable", [False, True])
def test_a_sealed_file_cannot_be_changed(executable: bool) -> None:
    descriptor = memfd.sealed("x", b"content", executable=executable)
    try:
        assert os.pread(descriptor, 100, 0) == b"content"
        assert not os.get_inheritable(descriptor)
        for change in (
            lambda: os.pwrite(descriptor, b"C", 0),
            lambda: os.ftruncate(descriptor, 3),
            lambda: os.ftruncate(descriptor, 30),
            lambda: os.close(os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_TRUNC)),
        ):
            with pytest.raises(PermissionError):
                change()
    finally:
        os.close(descriptor)
