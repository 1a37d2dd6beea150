"""Volumes of other containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.api.conftest import create

if TYPE_CHECKING:
    from tests.api.client import Client


def test_an_anonymous_volume_goes_with_its_last_container(client: Client, name: str) -> None:
    create(client, name, "true", Volumes={"/data": {}})
    [volume] = [mount["Name"] for mount in client("GET", f"/containers/{name}/json").json["Mounts"]]
    second = f"{name}-second"
    create(client, second, "true", HostConfig={"VolumesFrom": [name]})
    try:
        assert client("DELETE", f"/containers/{name}", v=1).status == 204
        assert client("GET", f"/volumes/{volume}").status == 200
    finally:
        assert client("DELETE", f"/containers/{second}", v=1).status == 204
    assert client("GET", f"/volumes/{volume}").status == 404
