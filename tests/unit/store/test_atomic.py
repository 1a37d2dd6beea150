from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from estiba.errors import SystemFailure, Unavailable
from estiba.store.atomic import write_file
from estiba.store.space import explained

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("durable", [False, True])
def test_replaces_content_and_mode(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "a"
    write_file(path, b"old", 0o600, durable=durable)
    write_file(path, b"new" * 100_000, 0o644, durable=durable)
    assert path.read_bytes() == b"new" * 100_000
    assert path.stat().st_mode & 0o7777 == 0o644
    assert os.listdir(tmp_path) == ["a"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError):
        write_file(tmp_path / "a", b"x")
    assert os.listdir(tmp_path) == ["a"]


def test_no_space_is_a_sentence() -> None:
    with pytest.raises(Unavailable, match="cannot keep it: no space left on device"), explained("keep it", "/x"):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_other_failures_name_the_path() -> None:
    with pytest.raises(SystemFailure, match="cannot read it: No such file or directory: /nowhere"):
        with explained("read it", "/x"):
            os.stat("/nowhere")
