"""A store without space: each thing fails with a clear error, what was there stays readable, the engine goes on.

The store is on a small tmpfs in the engine's own mount namespace.
"""

from __future__ import annotations

import io
import os
import tarfile
from typing import TYPE_CHECKING

import pytest
from tests.api.client import EngineProcess, frames
from tests.support import inventory
from tests.support.command import eventually
from tests.support.images import busybox_tar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.api.client import Answer, Client

STORE = "48m"
MEGABYTE = 1 << 20
FILL = "dd if=/dev/zero of=/fill bs=64k 2>&1 | grep -c 'No space left'; exit 0"


@pytest.fixture
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    directory = tmp_path_factory.mktemp("small")
    (directory / "root").mkdir()
    mount = f'mount -t tmpfs -o size={STORE} none {directory}/root && exec "$@"'
    wrapper = ("unshare", "-m", "--propagation", "private", "sh", "-c", mount, "sh")
    engine = EngineProcess(directory, wrapper=wrapper)
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


@pytest.fixture
def client(engine: EngineProcess) -> Client:
    return engine.client


def create(client: Client, name: str, *command: str, **config: object) -> Answer:
    return client("POST", "/containers/create", {"Image": "bb", "Cmd": list(command), **config}, name=name)


def run(client: Client, name: str, *command: str, **config: object) -> str:
    """To its end; what it wrote."""
    assert create(client, name, *command, **config).status == 201
    assert client("POST", f"/containers/{name}/start").status == 204
    client("POST", f"/containers/{name}/wait")
    return frames(client("GET", f"/containers/{name}/logs", stdout=1).body).get(1, b"").decode()


@pytest.fixture
def full(client: Client) -> str:
    """A container that filled the store to the last byte."""
    assert run(client, "filler", "sh", "-c", FILL).strip() in ("1", "")  # there may be no space for its log, too
    return "filler"


def big_tree() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for number in range(8):
            member = tarfile.TarInfo(f"f{number}")
            member.size = MEGABYTE
            archive.addfile(member, io.BytesIO(os.urandom(MEGABYTE)))
    return buffer.getvalue()


def said(answer: Answer) -> str:
    """The error of an answer, in its status or in its stream."""
    if answer.status < 400:
        return " ".join(line.get("error", "") for line in answer.lines if isinstance(line, dict))
    return answer.message


def assert_usable(engine: EngineProcess, filler: str) -> None:
    """What there was can be looked at, ended and removed; then there is space, and all works as before."""
    client = engine.client
    assert [image["RepoTags"] for image in client("GET", "/images/json").json] == [["bb:latest"]]
    assert client("GET", f"/containers/{filler}/json").json["State"]["Status"] == "exited"
    assert client("GET", f"/containers/{filler}/archive", path="/etc/passwd").status == 200
    assert client("GET", "/events", since="1", until="2").status == 200
    for entry in client("GET", "/containers/json", all=1).json:
        assert client("DELETE", f"/containers/{entry['Id']}", force=1).status == 204
    held = inventory.take(engine.root, engine.run_dir)
    assert (held.run_directories, held.cgroups) == (set(), set())
    create(client, "after", "echo", "space")
    eventually(lambda: client("POST", "/containers/after/start").status == 204)  # files are deleted in the background
    client("POST", "/containers/after/wait")
    assert frames(client("GET", "/containers/after/logs", stdout=1).body)[1] == b"space\n"


def test_what_needs_space_is_refused(engine: EngineProcess, client: Client) -> None:
    assert client("POST", "/images/create", big_tree(), fromSrc="-", repo="big").status == 200
    archive = client("GET", "/images/big/get").body
    assert client("DELETE", "/images/big").status == 200
    assert engine.process is not None
    trash = f"/proc/{engine.process.pid}/root{engine.root}/trash"
    eventually(lambda: not os.listdir(trash))
    run(client, "filler", "sh", "-c", FILL)
    tries = {
        "load": client("POST", "/images/load", archive),
        "import": client("POST", "/images/create", big_tree(), fromSrc="-", repo="big"),
        "cp": client("PUT", "/containers/filler/archive", big_tree(), path="/tmp"),
        "commit": client("POST", "/commit", container="filler", repo="committed"),
    }
    for name, answer in tries.items():
        assert "no space left on device" in said(answer).lower(), (name, answer)
    assert client("GET", "/_ping").status == 200
    assert_usable(engine, "filler")


def test_creates_and_starts(engine: EngineProcess, client: Client, full: str) -> None:
    made = create(client, "late", "true")
    if made.status == 201:  # a few names and empty files may fit still
        started = client("POST", "/containers/late/start")
        assert started.status == 204 or "no space left" in started.message.lower()
    else:
        assert made.status in (500, 503)
        assert "no space left" in made.message.lower()
    volume = create(client, "with-volume", "true", HostConfig={"Binds": ["/etc"]})
    assert volume.status == 201 or "no space left" in volume.message.lower()
    if volume.status == 201:
        started = client("POST", "/containers/with-volume/start")
        assert started.status == 204 or "no space left" in started.message.lower()
    assert_usable(engine, full)


def test_running_ones_go_on(engine: EngineProcess, client: Client) -> None:
    """One that writes no file is not disturbed; it can be looked into, stopped and removed."""
    create(client, "steady", "sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.1; done")
    assert client("POST", "/containers/steady/start").status == 204
    run(client, "filler", "sh", "-c", FILL)
    made = client("POST", "/containers/steady/exec", {"Cmd": ["echo", "inside"], "AttachStdout": True})
    assert made.status == 201, made.body
    executed = client("POST", f"/exec/{made.json['Id']}/start", {"Detach": False})
    assert frames(executed.body) == {1: b"inside\n"}
    assert client("GET", "/containers/steady/top").status == 200
    assert client("POST", "/containers/steady/pause").status == 204
    assert client("POST", "/containers/steady/unpause").status == 204
    assert client("POST", "/containers/steady/stop").status == 204
    assert client("GET", "/containers/steady/json").json["State"]["ExitCode"] == 7
    assert_usable(engine, "filler")


def test_logs_wait_for_space(engine: EngineProcess, client: Client) -> None:
    """The program is not stopped; what could not be kept is counted, and the log goes on when there is space."""
    lines = "i=0; while [ $i -lt 3000 ]; do echo line-$i-$(printf %0200d 0); i=$((i+1)); done"
    script = f"echo first; read x; {lines}; echo done > /proc/1/fd/2; while :; do echo tick; sleep 0.05; done"
    host = {"LogConfig": {"Config": {"max-size": "-1"}}}
    create(client, "talker", "sh", "-c", script, OpenStdin=True, HostConfig=host)
    _, stdin = client.open("POST", "/containers/talker/attach", upgrade=True, stream=1, stdin=1, stderr=1)
    assert client("POST", "/containers/talker/start").status == 204
    run(client, "filler", "sh", "-c", FILL)
    stdin.sendall(b"\n")
    assert frames(stdin.recv(100)) == {2: b"done\n"}
    stdin.close()
    assert client("DELETE", "/containers/filler").status == 204
    eventually(lambda: "were lost" in engine.log.read_text())
    assert client("POST", "/containers/talker/kill").status == 204
    client("POST", "/containers/talker/wait")
    log = frames(client("GET", "/containers/talker/logs", stdout=1, stderr=1).body)
    lines = log[1].decode().splitlines()
    assert (lines[0], lines[-1]) == ("first", "tick")
    assert len(lines) < 3000
    assert b"bytes" in log[2]
