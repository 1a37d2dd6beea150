"""Engines of their own for stories, with an image and a leak check."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.api.client import EngineProcess
from tests.e2e.hostile import look
from tests.support.command import Command, docker_command
from tests.support.images import busybox_tar

if TYPE_CHECKING:
    from collections.abc import Iterator


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


@pytest.fixture(scope="session")
def shared_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    """One engine with the image `bb` for many tests, each of which removes what it made."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    engine = EngineProcess(tmp_path_factory.mktemp("shared"))
    engine.start()
    try:
        reply = engine.client(
            "POST", "/images/create", busybox_tar(), fromSrc="-", repo="bb", changes='CMD ["/bin/sh"]'
        )
        assert reply.status == 200, reply.body
        yield engine
        engine.clear()
    finally:
        engine.stop()


@pytest.fixture(scope="session")
def docker(shared_engine: EngineProcess, tmp_path_factory: pytest.TempPathFactory) -> Command:
    """The stock docker command on the shared engine."""
    if shutil.which("docker") is None:
        pytest.skip("the docker command is missing: apt install docker-cli (or docker.io)")
    return docker_command(shared_engine.socket, tmp_path_factory.mktemp("docker"))


@pytest.fixture(scope="session")
def attack(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The hostile program, static, to be bound into containers as /estiba-attack."""
    program = tmp_path_factory.mktemp("attack") / "attack"
    source = Path(__file__).with_name("native") / "attack.c"
    subprocess.run(["gcc", "-static", "-O1", "-Wall", "-Wextra", "-Werror", "-o", program, source], check=True)
    return str(program)


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """A directory of the host that nothing in a container may touch; compared at the end."""
    directory = tmp_path / "canary"
    directory.mkdir(mode=0o700)
    (directory / "secret").write_text("of the host\n")
    (directory / "secret").chmod(0o600)
    before = look(directory)
    yield directory
    assert look(directory) == before
