"""Our own command on our own engine: what the docker command is asked in its tests, and what only ours can do."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.clients.test_docker_cli_data import TestCopy, TestImages, TestVolumes
from tests.clients.test_docker_cli_life import TestAttach, TestExec, TestRestartPolicy, TestStart
from tests.clients.test_docker_cli_look import TestLogs, test_inspect, test_live_events, test_ps
from tests.clients.test_docker_cli_run import (
    test_a_terminal,
    test_attach_only_some,
    test_cidfile,
    test_ctrl_c_reaches_the_program,
    test_detach_keys_leave_it_running,
    test_exit_codes_are_passed_on,
    test_in_the_background,
    test_mounts,
    test_output_goes_where_it_belongs,
    test_piped_stdin,
    test_pull,
    test_refusals,
    test_rm_removes_it_and_its_volumes,
    test_signal_proxy,
)
from tests.support.command import Command, estiba_command, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.api.client import EngineProcess

# the same tests, with the fixture `docker` of this module
__all__ = [
    "TestAttach",
    "TestCopy",
    "TestExec",
    "TestImages",
    "TestLogs",
    "TestRestartPolicy",
    "TestStart",
    "TestVolumes",
    "test_a_terminal",
    "test_attach_only_some",
    "test_cidfile",
    "test_ctrl_c_reaches_the_program",
    "test_detach_keys_leave_it_running",
    "test_exit_codes_are_passed_on",
    "test_in_the_background",
    "test_inspect",
    "test_live_events",
    "test_mounts",
    "test_output_goes_where_it_belongs",
    "test_piped_stdin",
    "test_ps",
    "test_pull",
    "test_refusals",
    "test_rm_removes_it_and_its_volumes",
    "test_signal_proxy",
]


@pytest.fixture(scope="session")
def docker(engine: EngineProcess, tmp_path_factory: pytest.TempPathFactory) -> Command:
    return estiba_command(engine.socket, tmp_path_factory.mktemp("estiba"))


@pytest.fixture
def estiba(docker: Command) -> Command:
    return docker


def test_the_plan_is_readable(estiba: Command, name: str) -> None:
    estiba("create", "--name", name, "-m", "64m", "--read-only", "bb", "echo", "x")
    plan = estiba("plan", name)
    for words in ("/proc", "read-only", "capabilities", "seccomp", "echo"):
        assert words in plan, words


def test_doctor_says_what_this_machine_can(estiba: Command) -> None:
    result = estiba.result("doctor")
    assert result.code == 0, result
    assert "containers run here" in result.lines[-1]
    assert any(line.startswith("✓ overlay") for line in result.lines)
    assert all(" → " in line for line in result.lines if line.startswith("✗"))


def test_an_image_of_this_machine_s_programs(estiba: Command, name: str) -> None:
    image = f"{name}-tools"
    estiba("image", "from-host", "-t", image, "/bin/ls", "/bin/grep")
    assert "bin" in estiba("run", "--rm", image, "/bin/ls", "/")
    assert estiba("run", "--rm", "-i", image, "/bin/grep", "b", stdin=b"a\nb\n") == "b"
    assert json.loads(estiba("image", "inspect", image))[0]["Size"] < 30_000_000
    estiba("rmi", image)


def test_embedded_images(estiba: Command) -> None:
    assert "namespaces" in estiba("run", "--rm", "hello").lower()
    out = estiba(
        "run",
        "--rm",
        "host",
        "sh",
        "-c",
        "rm -rf /usr/share/doc; ls /usr/share | grep -c '^doc$'; test -e /etc/shadow || echo none",
    )
    assert out.splitlines() == ["0", "none"]
    assert Path("/usr/share/doc").exists()


def test_completion_and_help(estiba: Command) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert "estiba" in estiba("completion", shell)
    assert "Usage:  estiba run" in estiba("run", "--help")
    assert "unknown command: estiba rnu" in estiba.error("rnu")


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Command]:
    """The command with places of its own, where no engine runs yet."""
    script = str(Path(sys.executable).with_name("estiba"))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "ESTIBA_ROOT": str(tmp_path / "root"),
        "ESTIBA_RUN_DIR": str(tmp_path / "run"),
    }
    yield Command((script,), environment)
    lock = tmp_path / "root" / "lock"
    if lock.exists():
        pid = json.loads(lock.read_text())["pid"]
        os.kill(pid, signal.SIGTERM)
        eventually(lambda: not Path(f"/proc/{pid}").exists())


class TestBackgroundStart:
    def test_run_starts_an_engine_of_this_root(self, alone: Command, tmp_path: Path) -> None:
        assert "namespaces" in alone("run", "--rm", "hello", seconds=60).lower()
        holder = json.loads((tmp_path / "root" / "lock").read_text())
        assert holder["socket"].startswith(str(tmp_path / "run"))
        assert alone("info", "-f", "{{.DockerRootDir}}") == str(tmp_path / "root")
        assert alone("ps", "-aq") == ""
        # the second one uses it
        alone("run", "--rm", "hello")
        assert json.loads((tmp_path / "root" / "lock").read_text())["pid"] == holder["pid"]

    def test_at_a_socket_of_one_s_choice(self, alone: Command, tmp_path: Path) -> None:
        chosen = replace(alone, environment={**alone.environment, "ESTIBA_HOST": f"unix://{tmp_path}/chosen.sock"})
        chosen("run", "--rm", "hello", seconds=60)
        assert (tmp_path / "chosen.sock").is_socket()
        assert chosen("version", "-f", "{{.Server.APIVersion}}") == "1.51"

    def test_other_engines_are_not_started(self, alone: Command, tmp_path: Path) -> None:
        assert "estiba serve starts one" in alone.error("-H", f"unix://{tmp_path}/other.sock", "ps")
        assert not (tmp_path / "root" / "lock").exists()

    def test_many_at_once_start_one(self, alone: Command) -> None:
        import concurrent.futures

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for said in pool.map(lambda _: alone("run", "--rm", "hello", seconds=60), range(4)):
                assert "namespaces" in said.lower()
