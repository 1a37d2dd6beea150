"""What an engine had begun when it was killed, and what the next one makes of it."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from tests.api.client import frames, read_all
from tests.api.conftest import create
from tests.support.command import eventually

if TYPE_CHECKING:
    from tests.api.client import EngineProcess


def kill_and_start(engine: EngineProcess) -> None:
    engine.stop(signal.SIGKILL)
    engine.start()


def state(engine: EngineProcess, name: str) -> str:
    return str(engine.client("GET", f"/containers/{name}/json").json["State"]["Status"])


def test_a_container_that_was_being_committed_goes_on(engine: EngineProcess) -> None:
    client = engine.client
    create(client, "large", "sh", "-c", "dd if=/dev/zero of=/f bs=1M count=300 2>/dev/null; echo done; sleep 600")
    assert client("POST", "/containers/large/start").status == 204
    eventually(lambda: b"done" in client("GET", "/containers/large/logs", stdout=1).body)
    with client.connect() as connection:
        connection.sendall(b"POST /commit?container=large HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        eventually(lambda: state(engine, "large") == "paused")
        kill_and_start(engine)
    assert state(engine, "large") == "running"
    assert client("POST", "/containers/large/stop", t=0).status == 204
    assert [image["RepoTags"] for image in client("GET", "/images/json").json] == [["bb:latest"]]


def test_a_container_that_its_user_paused_stays_so(engine: EngineProcess) -> None:
    client = engine.client
    create(client, "still", "sleep", "600")
    assert client("POST", "/containers/still/start").status == 204
    assert client("POST", "/containers/still/pause").status == 204
    kill_and_start(engine)
    assert state(engine, "still") == "paused"
    assert client("POST", "/containers/still/unpause").status == 204


def test_data_of_anonymous_volumes_outlives_a_plain_removal(engine: EngineProcess) -> None:
    client = engine.client
    volumes = []
    for number in range(4):
        name = f"plain{number}"
        create(client, name, "true", Volumes={"/v": {}})
        volumes.append(client("GET", f"/containers/{name}/json").json["Mounts"][0]["Name"])
        with client.connect() as connection:
            connection.sendall(f"DELETE /v1.51/containers/{name} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            kill_and_start(engine)
    left = {volume["Name"] for volume in client("GET", "/volumes").json["Volumes"]}
    assert left == set(volumes)
    client("POST", "/volumes/prune")


def test_an_exec_of_the_next_engine_leaves_files_alone_and_needs_no_donor(engine: EngineProcess) -> None:
    client = engine.client
    create(client, "donor", "sleep", "600", Hostname="lender")
    assert client("POST", "/containers/donor/start").status == 204
    create(
        client, "guest", "sh", "-c", "echo mine > /etc/hosts; sleep 600", HostConfig={"NetworkMode": "container:donor"}
    )
    assert client("POST", "/containers/guest/start").status == 204
    eventually(lambda: run(engine, "guest", "cat", "/etc/hosts") == b"mine\n")
    assert client("POST", "/containers/donor/kill").status == 204
    kill_and_start(engine)
    assert run(engine, "guest", "cat", "/etc/hosts") == b"mine\n"
    assert run(engine, "guest", "sh", "-c", "echo $HOSTNAME") == b"lender\n"


def test_an_exec_of_the_next_engine_has_no_more_rights(engine: EngineProcess) -> None:
    create(
        engine.client, "held", "sleep", "600", HostConfig={"CapDrop": ["CHOWN"], "SecurityOpt": ["no-new-privileges"]}
    )
    assert engine.client("POST", "/containers/held/start").status == 204
    look = ("grep", "-E", "^(Cap|Seccomp|NoNewPrivs|Groups|Uid|Gid)", "/proc/self/status")
    before = run(engine, "held", *look)
    assert b"Seccomp:\t2" in before
    kill_and_start(engine)
    assert run(engine, "held", *look) == before


def run(engine: EngineProcess, name: str, *command: str) -> bytes:
    """What an exec prints."""
    made = engine.client("POST", f"/containers/{name}/exec", {"Cmd": command, "AttachStdout": True})
    assert made.status == 201, made.message
    head, stream = engine.client.open("POST", f"/exec/{made.json['Id']}/start", {"Detach": False}, upgrade=True)
    assert b" 101 " in head
    return frames(read_all(stream)).get(1, b"")
