"""One engine for the clients' tests, with the image `bb`; the docker command led to it; names for each test."""

from __future__ import annotations

import itertools
import os
import shutil
from typing import TYPE_CHECKING

import pytest
from tests.api.client import EngineProcess
from tests.support.command import Command, docker_command
from tests.support.images import busybox_tar

if TYPE_CHECKING:
    from collections.abc import Iterator

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    engine = EngineProcess(tmp_path_factory.mktemp("clients"))
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
def docker(engine: EngineProcess, tmp_path_factory: pytest.TempPathFactory) -> Command:
    """The stock docker command on this engine."""
    if shutil.which("docker") is None:
        pytest.skip("the docker command is missing: apt install docker-cli (or docker.io)")
    return docker_command(engine.socket, tmp_path_factory.mktemp("docker"))


@pytest.fixture
def name(engine: EngineProcess) -> Iterator[str]:
    """A container name of the test's own; what has it is removed."""
    name = f"t{next(_NUMBERS)}"
    yield name
    engine.client("DELETE", f"/containers/{name}", force=1, v=1)


@pytest.fixture
def running(docker: Command, name: str) -> str:
    """A container that runs a shell which ends at TERM."""
    docker("run", "-d", "--name", name, "bb", "sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.05; done")
    return name
