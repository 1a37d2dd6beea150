"""A full disk: containers end, are stopped and removed as ever, which makes room again."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from tests.api.client import EngineProcess
from tests.api.conftest import create, wait_for_end
from tests.support.images import busybox_tar

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineProcess]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    engine = EngineProcess(tmp_path)
    engine.root.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "estiba-test", str(engine.root)], check=True)
    try:
        engine.start()
        try:
            assert engine.client("POST", "/images/create", busybox_tar(), fromSrc="-", repo="bb").status == 200
            yield engine
            engine.clear()
        finally:
            engine.stop()
    finally:
        subprocess.run(["umount", str(engine.root)], check=True)


def fill(path: Path) -> None:
    with open(path, "wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1 << 16))


def test_what_runs_can_be_ended_and_removed(engine: EngineProcess) -> None:
    client = engine.client
    for name in ("stopped", "killed", "removed"):
        create(client, name, "sleep", "600")
        assert client("POST", f"/containers/{name}/start").status == 204
    create(client, "ends", "sleep", "2")
    assert client("POST", "/containers/ends/start").status == 204
    fill(engine.root / "fill")
    assert wait_for_end(client, "ends") == 0
    assert client("GET", "/containers/ends/json").json["State"]["Status"] == "exited"
    assert client("POST", "/containers/stopped/stop", t=0).status == 204
    assert client("POST", "/containers/killed/kill").status == 204
    assert client("DELETE", "/containers/removed", force=1).status == 204
    entries = client("GET", "/containers/json", all=1).json
    assert {entry["Names"][0]: entry["State"] for entry in entries} == {
        "/stopped": "exited",
        "/killed": "exited",
        "/ends": "exited",
    }
    assert client("DELETE", "/containers/killed").status == 204


def test_an_engine_that_finds_the_disk_full(engine: EngineProcess) -> None:
    create(engine.client, "ends", "sleep", "600")
    assert engine.client("POST", "/containers/ends/start").status == 204
    fill(engine.root / "fill")
    engine.stop()
    engine.start()
    assert engine.client("GET", "/containers/ends/json").json["State"]["Running"]
    (engine.root / "fill").unlink()
    assert engine.client("DELETE", "/containers/ends", force=1).status == 204
