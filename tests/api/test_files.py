"""Bytes in and out over the API: archives of containers and images."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from typing import TYPE_CHECKING

from tests.api.conftest import create
from tests.support.images import busybox_tar

if TYPE_CHECKING:
    from tests.api.client import Client


def tar_of(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def contents(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}  # type: ignore[union-attr]


class TestArchive:
    def test_in_and_out(self, client: Client, running: str) -> None:
        reply = client("PUT", f"/containers/{running}/archive", tar_of(f=b"content"), path="/tmp")
        assert (reply.status, reply.body, reply.headers["Content-Length"]) == (200, b"", "0")
        reply = client("GET", f"/containers/{running}/archive", path="/tmp/f")
        assert reply.headers["Content-Type"] == "application/x-tar"
        stat = json.loads(base64.b64decode(reply.headers["X-Docker-Container-Path-Stat"]))
        assert list(stat) == ["name", "size", "mode", "mtime", "linkTarget"]
        assert (stat["name"], stat["size"]) == ("f", 7)
        assert contents(reply.body) == {"f": b"content"}

    def test_head(self, client: Client, running: str) -> None:
        reply = client("HEAD", f"/containers/{running}/archive", path="/etc")
        assert (reply.status, reply.body) == (200, b"")
        assert json.loads(base64.b64decode(reply.headers["X-Docker-Container-Path-Stat"]))["mode"] == 2147484141
        assert client("HEAD", f"/containers/{running}/archive", path="/nosuch").status == 404

    def test_large(self, client: Client, running: str) -> None:
        data = tar_of(big=bytes(30_000_000))
        assert client("PUT", f"/containers/{running}/archive", data, path="/tmp").status == 200
        reply = client("GET", f"/containers/{running}/archive", path="/tmp/big")
        assert len(contents(reply.body)["big"]) == 30_000_000

    def test_an_early_refusal_of_a_large_body(self, client: Client, running: str) -> None:
        reply = client("PUT", f"/containers/{running}/archive", bytes(20_000_000), path="/nosuch")
        assert reply.status == 404

    def test_a_client_that_leaves(self, client: Client, running: str) -> None:
        stream = client.connect()
        data = tar_of(half=bytes(1_000_000))
        target = f"/v1.51/containers/{running}/archive?path=/tmp"
        head = f"PUT {target} HTTP/1.1\r\nHost: d\r\nContent-Length: {len(data)}\r\n\r\n"
        stream.sendall(head.encode() + data[:500_000])
        stream.close()
        assert client("GET", f"/containers/{running}/json").status == 200

    def test_export(self, client: Client, running: str) -> None:
        reply = client("GET", f"/containers/{running}/export")
        assert reply.headers["Content-Type"] == "application/octet-stream"
        assert "bin/busybox" in contents(reply.body)


class TestImages:
    def test_import_list_inspect_history(self, client: Client) -> None:
        reply = client(
            "POST", "/images/create", busybox_tar(), fromSrc="-", repo="im", tag="1", message="m", changes="ENV A=1"
        )
        assert reply.body.endswith(b'"}\r\n')
        image_id = reply.lines[-1]["status"]
        found = client("GET", "/images/im:1/json").json
        assert (found["Id"], found["Comment"], found["Config"]["Env"]) == (image_id, "m", ["A=1"])
        assert client("GET", "/images/im:1/history").json[0]["Tags"] == ["im:1"]
        assert [entry["Id"] for entry in client("GET", "/images/json", filters={"reference": ["im"]}).json] == [
            image_id
        ]
        assert client("POST", "/images/im:1/tag", repo="docker.io/library/im", tag="2").status == 201
        assert client("DELETE", "/images/im:2").json == [{"Untagged": "im:2"}]
        assert client("DELETE", "/images/im:1").json[:2] == [{"Untagged": "im:1"}, {"Deleted": image_id}]

    def test_save_and_load(self, client: Client) -> None:
        client("POST", "/images/create", busybox_tar(), fromSrc="-", repo="sl", tag="1")
        image_id = client("GET", "/images/sl:1/json").json["Id"]
        saved = client("GET", "/images/get", names=["sl:1"])
        assert saved.headers["Content-Type"] == "application/x-tar"
        assert client("DELETE", "/images/sl:1").status == 200
        loaded = client("POST", "/images/load", saved.body, quiet=1)
        assert loaded.body == b'{"stream":"Loaded image: sl:1\\n"}\r\n'
        assert client("GET", "/images/sl:1/json").json["Id"] == image_id

    def test_no_archive(self, client: Client) -> None:
        reply = client("POST", "/images/load", b"garbage")
        assert reply.status == 200
        assert list(reply.lines[-1]) == ["errorDetail", "error"]

    def test_a_load_that_breaks_off(self, client: Client) -> None:
        stream = client.connect()
        stream.sendall(b"POST /images/load HTTP/1.1\r\nHost: d\r\nContent-Length: 100000\r\n\r\n" + bytes(512))
        stream.close()
        assert client("GET", "/images/json").status == 200

    def test_commit(self, client: Client, running: str) -> None:
        client("PUT", f"/containers/{running}/archive", tar_of(new=b"x"), path="/tmp")
        reply = client(
            "POST", "/commit", container=running, repo="docker.io/library/cm", tag="1", comment="c", changes="CMD ls"
        )
        assert reply.status == 201
        found = client("GET", "/images/cm:1/json").json
        assert (found["Id"], found["Comment"]) == (reply.json["Id"], "c")

    def test_prune(self, client: Client) -> None:
        reply = client("POST", "/images/prune", filters={"label": ["nosuch"]}).json
        assert reply == {"ImagesDeleted": None, "SpaceReclaimed": 0}


def test_volumes(client: Client, name: str) -> None:
    made = client("POST", "/volumes/create", {"Name": name, "Labels": {"k": "v"}})
    assert made.status == 201
    assert client("GET", f"/volumes/{name}").json == made.json
    assert client("GET", "/volumes", filters={"label": ["k=v"]}).json["Volumes"] == [made.json]
    create(client, name, HostConfig={"Binds": [f"{name}:/v"]})
    mount = client("GET", f"/containers/{name}/json").json["Mounts"][0]
    assert (mount["Type"], mount["Name"], mount["Mode"]) == ("volume", name, "z")
    assert client("DELETE", f"/volumes/{name}").status == 409
    client("DELETE", f"/containers/{name}")
    assert client("DELETE", f"/volumes/{name}").status == 204
    assert client("POST", "/volumes/prune").json["VolumesDeleted"] == []


def test_export_to_a_client_that_leaves(client: Client, running: str) -> None:
    _, stream = client.open("GET", f"/containers/{running}/export")
    stream.recv(100)
    stream.close()
    assert client("GET", "/_ping").body == b"OK"


def test_pipelined_download_and_question(client: Client, running: str) -> None:
    with client.connect() as stream:
        stream.sendall(
            f"GET /containers/{running}/archive?path=/etc HTTP/1.1\r\nHost: d\r\n\r\n"
            "GET /_ping HTTP/1.1\r\nHost: d\r\nConnection: close\r\n\r\n".encode()
        )
        reply = b"".join(iter(lambda: stream.recv(65536), b""))
    assert reply.endswith(b"\r\n\r\nOK")


def test_the_embedded_image_needs_no_pull(client: Client) -> None:
    reply = client("POST", "/images/create", fromImage="docker.io/library/hello", tag="latest")
    assert (reply.status, reply.body) == (200, b'{"status":"Status: Image is up to date for hello:latest"}\r\n')
    assert client("POST", "/images/create", fromImage="nosuch", tag="1").status == 501


class TestFromHost:
    def test_programs(self, client: Client) -> None:
        reply = client("POST", "/estiba/images/from-host", {"Programs": ["true"]}, reference="programs:1")
        assert reply.status == 200, reply.body
        image_id = reply.lines[-1]["aux"]["ID"]
        assert client("GET", "/images/programs:1/json").json["Id"] == image_id

    def test_a_missing_program(self, client: Client) -> None:
        reply = client("POST", "/estiba/images/from-host", {"Programs": ["nosuch-program"]}, reference="programs:2")
        assert "nosuch-program" in reply.body.decode()
        assert client("GET", "/images/programs:2/json").status == 404
        assert client("POST", "/estiba/images/from-host", {}).status == 400
