"""Published escapes by processes, descriptors, mounts, tried here: each shows that it fails. The numbers are CVEs."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.e2e.hardening_rows import DEFAULT_CAPS
from tests.e2e.hostile import link, make_image

if TYPE_CHECKING:
    from tests.api.client import EngineProcess
    from tests.support.command import Command

SECONDS = "3"
STARTS = 200


class TestProcesses:
    @pytest.mark.parametrize("rights", [(), ("--cap-add", "SYS_PTRACE")], ids=["default", "with SYS_PTRACE"])
    def test_execs_cannot_be_caught(
        self, docker: Command, shared_engine: EngineProcess, attack: str, rights: tuple[str, ...]
    ) -> None:
        """2016-9962, 2019-5736: who polls and traces each process that appears gets no descriptor, no program to write
        to, and no rights but the container's."""
        name, client = "watched", shared_engine.client
        bind = f"{attack}:/estiba-attack:ro"
        docker("run", "-d", "--rm", "--name", name, *rights, "-v", bind, "bb", "sleep", "300")
        program = Path(f"/proc/{shim_of(docker, name)}/exe")
        before = hashlib.sha256(program.read_bytes()).digest()
        try:
            with docker.background("exec", name, "/estiba-attack", "watch", SECONDS, "#!evil") as watcher:
                assert watcher.stdout is not None
                assert watcher.stdout.readline() == b"watching\n"
                execs = 0
                while watcher.poll() is None:
                    made = client("POST", f"/containers/{name}/exec", {"Cmd": ["/bin/true"]}).json["Id"]
                    assert client("POST", f"/exec/{made}/start", {"Detach": True}).status == 200
                    execs += 1
                said = watcher.stdout.read().decode().splitlines()
            assert execs > 20
            caught = [line for line in said if line != "done" and not line.startswith("traced")]
            assert caught == []
            possible = int(DEFAULT_CAPS, 16) | (1 << 19 if rights else 0)
            assert all(int(line.split()[1], 16) & ~possible == 0 for line in said if line.startswith("traced"))
            assert rights or not any(line.startswith("traced") for line in said)
            assert hashlib.sha256(program.read_bytes()).digest() == before
        finally:
            docker("kill", name)

    def test_proc_self_exe_is_the_container_s(self, docker: Command) -> None:
        """2019-5736: as entrypoint, and as the interpreter of a script: it is a sealed copy with no more rights."""
        name, script = "self-exe", "printf '#!/proc/self/exe\\n' > /s; chmod 755 /s; "
        assert docker.result("run", "--rm", "--entrypoint", "/proc/self/exe", "bb").out == ""
        docker("run", "-d", "--rm", "--name", name, "bb", "sh", "-c", f"{script} sleep 60")
        program = Path(f"/proc/{shim_of(docker, name)}/exe")
        assert "memfd" in os.readlink(program)
        before = hashlib.sha256(program.read_bytes()).digest()
        try:
            for words in (["/s"], ["/proc/self/exe", "x"]):
                assert docker.result("exec", name, *words).code != 0
            with pytest.raises(OSError, match=r"Operation not permitted|Text file busy"):
                program.write_bytes(b"evil")
            assert hashlib.sha256(program.read_bytes()).digest() == before
        finally:
            docker("kill", name)

    def test_no_descriptor_leaks(self, docker: Command, shared_engine: EngineProcess, attack: str) -> None:
        """2024-21626: none is open but 0 to 2, and none can be the working directory, in run and exec."""
        numbers = [str(number) for number in range(3, 41)]
        bind = f"{attack}:/estiba-attack:ro"
        assert docker("run", "--rm", "-v", bind, "bb", "/estiba-attack", "open", *numbers) == ""
        docker("run", "-d", "--rm", "--name", "leaky", "-v", bind, "bb", "sleep", "60")
        try:
            assert docker("exec", "leaky", "/estiba-attack", "open", *numbers) == ""
            client = shared_engine.client
            for number in numbers:
                config = {"Image": "bb", "Cmd": ["pwd"], "WorkingDir": f"/proc/self/fd/{number}"}
                made = client("POST", "/containers/create", config)
                if made.status == 201:
                    status = client("POST", f"/containers/{made.json['Id']}/start").status
                    client("DELETE", f"/containers/{made.json['Id']}", force=1)
                    assert status != 204, number
            for number in numbers:
                config = {"Cmd": ["pwd"], "WorkingDir": f"/proc/self/fd/{number}", "AttachStdout": True}
                made = client("POST", "/containers/leaky/exec", config).json["Id"]
                client("POST", f"/exec/{made}/start", {"Detach": False})
                assert client("GET", f"/exec/{made}/json").json["ExitCode"] not in (0, None), number
        finally:
            docker("kill", "leaky")


class TestMounts:
    def test_targets_swapped_during_starts(
        self, docker: Command, shared_engine: EngineProcess, attack: str, canary: Path
    ) -> None:
        """2021-30465, 2024-45310: a mount's place in a shared volume becomes a link out during starts."""
        client = shared_engine.client
        prepare = f"mkdir -p /v/a/x; ln -s {canary} /v/b; ln -s / /v/c"
        docker("run", "--rm", "-v", "raced:/v", "bb", "sh", "-c", prepare)
        bind = f"{attack}:/estiba-attack:ro"
        command = ("/estiba-attack", "swap", "/v/a", "/v/b", "/v/c")
        docker("run", "-d", "--rm", "--name", "swapper", "-v", "raced:/v", "-v", bind, "bb", *command)
        mounts = Path("/proc/self/mountinfo").read_text()
        try:
            started = 0
            for number in range(STARTS):
                target = f"/v/a/x{number % 4}" if number % 2 else "/v/a/tmp"
                host = {"Binds": ["raced:/v", f"/etc:{target}"], "Tmpfs": {"/v/a/t": ""}}
                made = client("POST", "/containers/create", {"Image": "bb", "Cmd": ["true"], "HostConfig": host}).json[
                    "Id"
                ]
                started += client("POST", f"/containers/{made}/start").status == 204
                client("DELETE", f"/containers/{made}", force=1)
            assert started > STARTS // 4
        finally:
            docker("kill", "swapper")
        assert Path("/proc/self/mountinfo").read_text() == mounts
        docker("volume", "rm", "-f", "raced")

    @pytest.mark.parametrize("target", ["/proc", "/proc/sys", "/proc/self/attr", "/proc/1", "/"])
    def test_nothing_over_proc(self, docker: Command, target: str) -> None:
        """2015-3631, 2019-16884, 2023-27561: neither a volume nor a bind."""
        for source in ("over", "/tmp"):
            assert docker.result("run", "--rm", "-v", f"{source}:{target}", "bb", "true").code == 125
        docker("volume", "rm", "-f", "over")

    @pytest.mark.parametrize("name", ["proc", "dev", "sys"])
    def test_images_with_links_for_mount_points(self, docker: Command, canary: Path, name: str) -> None:
        """2019-19921, 2023-28642, 2026-41579: the link is refused, or replaced; its target stays as it was."""
        image = make_image(docker, f"linked-{name}", link(name, str(canary)))
        inside = make_image(docker, f"linked-in-{name}", link(name, "/tmp"))
        for each in (image, inside):
            result = docker.result(
                "run", "--rm", each, "sh", "-c", f"stat -c %F /{name}; grep -c ' /{name} ' /proc/self/mountinfo"
            )
            assert result.code in (125, 126, 127) or result.out == "directory\n1\n"
        docker("rmi", image, inside)

    @pytest.mark.parametrize("name", ["dev/null", "dev/console", "dev/ptmx", "dev/shm", "dev/pts", "dev/mqueue"])
    def test_images_with_links_in_dev(self, docker: Command, canary: Path, name: str) -> None:
        """2025-31133, 2025-52565: masks and terminals come from nodes of our own, whatever an image brings."""
        image = make_image(docker, "linked", link(name, f"{canary}/secret"), link("proc/kcore", f"{canary}/secret"))
        out = docker(
            "run",
            "--rm",
            "-t",
            image,
            "sh",
            "-c",
            "stat -c '%F %t:%T' /dev/null; wc -c < /proc/timer_list; echo x > /dev/console",
        )
        assert out.replace("\r", "").splitlines() == ["character special file 1:3", "0", "x"]
        docker("rmi", image)

    def test_a_shared_dev_raced(self, docker: Command, attack: str, canary: Path) -> None:
        """2025-31133: a volume for /dev whose null is swapped for a link during starts."""
        bind = f"{attack}:/estiba-attack:ro"
        prepare = f"mknod /d/null c 1 3; ln -s {canary}/secret /d/evil; ln -s /proc/sys/kernel/core_pattern /d/core"
        docker("run", "--rm", "-v", "devs:/d", "bb", "sh", "-c", prepare)
        docker(
            "run",
            "-d",
            "--rm",
            "--name",
            "dev-swap",
            "-v",
            "devs:/d",
            "-v",
            bind,
            "bb",
            "/estiba-attack",
            "swap",
            "/d/null",
            "/d/core",
        )
        pattern = Path("/proc/sys/kernel/core_pattern").read_text()
        try:
            for _ in range(20):
                docker.result(
                    "run",
                    "--rm",
                    "-v",
                    "devs:/dev",
                    "bb",
                    "sh",
                    "-c",
                    "echo x > /proc/timer_list; echo x > /proc/interrupts",
                )
        finally:
            docker("kill", "dev-swap")
        assert Path("/proc/sys/kernel/core_pattern").read_text() == pattern
        docker("volume", "rm", "-f", "devs")

    def test_no_mounts_by_the_container(self, docker: Command) -> None:
        """2022-0185, 2022-0492: no user namespace, no mount, no writable cgroup."""
        for command in (
            "unshare -Urm true",
            "unshare -m true",
            "mount -t tmpfs none /tmp",
            "mount -t cgroup -o memory none /tmp",
        ):
            assert docker.result("run", "--rm", "bb", "sh", "-c", command).code != 0, command
            assert docker.result("run", "--rm", "-u", "1000", "bb", "sh", "-c", command).code != 0, command


def shim_of(docker: Command, name: str) -> int:
    """The parent of a container's first process."""
    pid = docker("inspect", "-f", "{{.State.Pid}}", name)
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def test_many_starts_and_execs_see_no_other(shared_engine: EngineProcess) -> None:
    """Descriptors of one start never reach another's program, however many run at once."""
    client = shared_engine.client

    def once(number: int) -> str:
        config = {
            "Image": "bb",
            "Cmd": ["sh", "-c", "ls /proc/self/fd | tr '\\n' ' '"],
            "HostConfig": {"NetworkMode": "none"},
        }
        name = f"fds-{number}"
        client("POST", "/containers/create", config, name=name)
        client("POST", f"/containers/{name}/start")
        client("POST", f"/containers/{name}/wait")
        out = client("GET", f"/containers/{name}/logs", stdout=1).body[8:].decode()
        client("DELETE", f"/containers/{name}", force=1)
        return out

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(once, range(64))) == {"0 1 2 3 "}
