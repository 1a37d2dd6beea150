"""Engines of their own for stories, with an image and a leak check."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from tests.api.client import EngineProcess
from tests.support.images import busybox_tar

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineProcess]:
    """A fresh engine with the image `bb`; everything it made is removed at the end."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    engine = EngineProcess(tmp_path)
    engine.start()
    try:
        reply = engine.client(
            "POST", "/images/create", busybox_tar(), fromSrc="-", repo="bb", changes='CMD ["/bin/sh"]'
        )
        assert reply.status == 200, reply.body
        yield engine
        if engine.process is not None and engine.process.poll() is not None:
            engine.start()
        engine.clear()
    finally:
        engine.stop()
