from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from estiba.errors import Conflict
from estiba.store.locks import Holder, RootLock, find_holder

if TYPE_CHECKING:
    from pathlib import Path


def test_a_second_holder_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    with RootLock(tmp_path).acquire(kind="engine", socket="/run/x.sock"):
        with pytest.raises(Conflict, match=rf"in use by another engine \(pid {os.getpid()}, socket /run/x.sock\)"):
            RootLock(tmp_path).acquire()
        assert find_holder(tmp_path) == Holder(os.getpid(), "engine", "/run/x.sock")
    assert find_holder(tmp_path) is None
    with RootLock(tmp_path):
        pass


def test_describe_anew(tmp_path: Path) -> None:
    with RootLock(tmp_path).acquire(kind="library", socket="/a/very/long/path/to/a.sock") as lock:
        lock.describe(kind="library", socket="")
        assert find_holder(tmp_path) == Holder(os.getpid(), "library", "")


def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib; from estiba.store.locks import RootLock; "
        f"lock = RootLock(pathlib.Path({str(tmp_path)!r})).acquire(); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        with pytest.raises(Conflict):
            RootLock(tmp_path).acquire()
        child.kill()
        child.wait()
    with RootLock(tmp_path):
        pass


def test_no_root_no_holder(tmp_path: Path) -> None:
    assert find_holder(tmp_path / "missing") is None
