"""One engine for all API tests, with an image; each test names its own containers."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

import pytest
from tests.api.client import Client, EngineProcess
from tests.support.images import busybox_tar

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    engine = EngineProcess(tmp_path_factory.mktemp("api"))
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
def client(engine: EngineProcess) -> Client:
    return engine.client


@pytest.fixture
def name(client: Client) -> Iterator[str]:
    """A container name of the test's own; what has it is removed."""
    name = f"t{next(_NUMBERS)}"
    yield name
    client("DELETE", f"/containers/{name}", force=1, v=1)


@pytest.fixture
def running(client: Client, name: str) -> str:
    """A running container that sleeps."""
    create(client, name, "sleep", "600")
    assert client("POST", f"/containers/{name}/start").status == 204
    return name


def create(client: Client, name: str, *command: str, **config: object) -> str:
    """A created container's id."""
    reply = client("POST", "/containers/create", {"Image": "bb", "Cmd": list(command), **config}, name=name)
    assert reply.status == 201, reply.body
    return str(reply.json["Id"])


def wait_for_end(client: Client, name: str) -> int:
    """Its exit code."""
    return int(client("POST", f"/containers/{name}/wait").json["StatusCode"])


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path
