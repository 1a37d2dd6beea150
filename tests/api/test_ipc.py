"""Shared IPC namespaces: shared memory comes from the donor's own mounts, wherever the donor points."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from tests.api.client import Client, frames
from tests.api.conftest import create, wait_for_end

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def joiner(client: Client, name: str) -> Iterator[str]:
    yield f"{name}-joins"
    client("DELETE", f"/containers/{name}-joins", force=1)


def donate(client: Client, name: str, script: str, **host: object) -> None:
    """A container whose script has printed `ready`."""
    create(
        client, name, "sh", "-c", f"{script}; echo ready; exec sleep 600", HostConfig={"IpcMode": "shareable", **host}
    )
    assert client("POST", f"/containers/{name}/start").status == 204
    _, stream = client.open("GET", f"/containers/{name}/logs", follow=1, stdout=1, stderr=1)
    with stream:
        seen = b""
        while b"ready" not in seen:
            seen += (block := stream.recv(4096))
            assert block, seen


def join(client: Client, joiner: str, donor: str, script: str, **host: object) -> tuple[int, str]:
    """The status of the start, and what the script printed or why it did not."""
    create(client, joiner, "sh", "-c", script, HostConfig={"IpcMode": f"container:{donor}", **host})
    started = client("POST", f"/containers/{joiner}/start")
    if started.status != 204:
        return started.status, started.message
    wait_for_end(client, joiner)
    log = client("GET", f"/containers/{joiner}/logs", stdout=1, stderr=1).body
    return started.status, b"".join(frames(log).values()).decode()


def test_shared_memory_is_the_donor_s(client: Client, name: str, joiner: str) -> None:
    donate(client, name, "echo given > /dev/shm/file", ShmSize=1 << 20)
    pid = client("GET", f"/containers/{name}/json").json["State"]["Pid"]
    script = "cat /dev/shm/*; echo answer > /dev/shm/later; grep ' /dev/shm ' /proc/self/mountinfo"
    status, output = join(client, joiner, name, f"{script}; readlink /proc/self/ns/ipc")
    assert status == 204, output
    content, mount, namespace = output.splitlines()
    assert content == "given"
    assert "nosuid,nodev,noexec" in mount
    assert "size=1024k" in mount
    assert namespace == os.readlink(f"/proc/{pid}/ns/ipc")
    client("DELETE", f"/containers/{joiner}")
    assert join(client, joiner, name, "cat /dev/shm/*") == (204, "given\nanswer\n")


def test_a_chain(client: Client, name: str, joiner: str) -> None:
    donate(client, name, "echo given > /dev/shm/file")
    middle = f"{name}-middle"
    try:
        create(client, middle, "sleep", "600", HostConfig={"IpcMode": f"container:{name}"})
        assert client("POST", f"/containers/{middle}/start").status == 204
        assert join(client, joiner, middle, "cat /dev/shm/file") == (204, "given\n")
    finally:
        client("DELETE", f"/containers/{middle}", force=1)


@pytest.mark.parametrize("host", [{"IpcMode": "private"}, {"Tmpfs": {"/dev/shm/": ""}}])
def test_what_is_not_shared(client: Client, name: str, joiner: str, host: dict[str, object]) -> None:
    donate(client, name, "true", **host)
    status, message = join(client, joiner, name, "true")
    assert status == 500
    assert message.endswith("non-shareable IPC (hint: use IpcMode:shareable for the donor container)")


@pytest.mark.parametrize(
    ("trick", "reason"),
    [
        ("rmdir /dev/shm; ln -s /etc /dev/shm", "Too many levels of symbolic links"),
        ("true", "it is not a tmpfs of its own"),
        ("mount -t proc proc /dev/shm", "it is not a tmpfs of its own"),
        ("rmdir /dev/shm; touch /dev/shm", "Not a directory"),
        ("rmdir /dev/shm", "No such file or directory"),
    ],
)
def test_a_donor_that_puts_something_else_there(
    client: Client, name: str, joiner: str, trick: str, reason: str
) -> None:
    donate(client, name, f"umount /dev/shm; {trick}", Privileged=True)
    status, message = join(client, joiner, name, "ls /dev/shm")
    assert (status, message.rpartition(": ")[2]) == (500, reason)
    assert "cannot share /dev/shm of process" in message
    assert client("GET", f"/containers/{joiner}/json").json["State"]["Status"] == "created"


def test_a_donor_that_swaps_it_all_the_time(client: Client, name: str, joiner: str) -> None:
    """What is joined is a tmpfs without a link on the way, or nothing."""
    swap = "while :; do mount --move /dev/shm /keep; rmdir /dev/shm; ln -s /etc /dev/shm; rm /dev/shm; mkdir /dev/shm; "
    swap += "mount --move /keep /dev/shm; done"
    script = f"mkdir /keep; mount --make-rprivate /; touch /dev/shm/shared; ({swap}) >/dev/null 2>&1 & true"
    donate(client, name, script, Privileged=True)
    seen = set()
    for _ in range(40):
        status, output = join(client, joiner, name, "ls /dev/shm")
        seen.add(output if status == 204 else status)
        client("DELETE", f"/containers/{joiner}", force=1)
    assert seen <= {"shared\n", 500}
