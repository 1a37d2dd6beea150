"""Fixtures of the kernel tests."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from tests.kernel.bundles import Bench, busybox_root, plan_runner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def bench(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A busybox bundle and the program that runs plans. Nothing of it may leave a mount on the host."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    runner = plan_runner(tmp_path_factory.getbasetemp())
    yield Bench(tmp_path, runner, busybox_root(tmp_path))
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        assert str(tmp_path) not in mounts.read(), "a mount was left behind"
