"""`docker run` as people type it: modes, streams, terminals, exit codes, signals."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from tests.support.command import Command, eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.api.client import EngineProcess

DETACH = "\x10\x11"


def test_output_goes_where_it_belongs(docker: Command) -> None:
    result = docker.result("run", "--rm", "bb", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (result.code, result.out, result.err) == (3, "out\n", "err\n")


def test_piped_stdin(docker: Command) -> None:
    data = os.urandom(300_000)
    assert docker.bytes("run", "--rm", "-i", "bb", "cat", stdin=data) == data


def test_without_i_stdin_is_empty(docker: Command) -> None:
    assert docker("run", "--rm", "bb", "cat", stdin=b"not for it") == ""


def test_a_terminal(docker: Command, name: str) -> None:
    with docker.terminal("run", "--rm", "-it", "--name", name, "bb", "sh", rows=30, columns=100) as terminal:
        terminal.expect("# ")
        terminal.send("stty size; tty; echo $TERM\n")
        terminal.expect("30 100")
        terminal.expect("/dev/pts/0")
        terminal.expect("xterm")
        terminal.resize(40, 120)
        terminal.process.send_signal(signal.SIGWINCH)
        eventually(lambda: docker("exec", name, "stty", "-F", "/proc/1/fd/0", "size") == "40 120")
        terminal.send("exit 9\n")
        assert terminal.end() == 9


def test_ctrl_c_reaches_the_program(docker: Command) -> None:
    command = "trap 'echo got it; exit 4' INT; echo ready; while :; do sleep 0.1; done"
    with docker.terminal("run", "--rm", "-it", "bb", "sh", "-c", command) as terminal:
        terminal.expect("ready")
        terminal.send("\x03")
        terminal.expect("got it")
        assert terminal.end() == 4


def test_detach_keys_leave_it_running(docker: Command, name: str) -> None:
    with docker.terminal("run", "-it", "--name", name, "bb", "sh") as terminal:
        terminal.expect("# ")
        terminal.send(DETACH)
        assert terminal.end() == 0
    assert docker("inspect", "-f", "{{.State.Running}}", name) == "true"
    with docker.terminal("attach", "--detach-keys", "ctrl-a,x", name) as terminal:
        terminal.send("echo a\x10\x11b | wc -c\n")  # the default keys mean nothing now
        terminal.expect("# ")
        terminal.send("\x01x")
        assert terminal.end() == 1  # as the docker command ends a detached attach
        assert "read escape sequence" in terminal.seen


def test_in_the_background(docker: Command, name: str) -> None:
    identity = docker("run", "-d", "--name", name, "bb", "sh", "-c", "echo hello; exec sleep 60")
    assert len(identity) == 64
    assert docker("ps", "-q", "--no-trunc", "-f", f"name=^{name}$") == identity
    eventually(lambda: docker("logs", name) == "hello")


def test_rm_removes_it_and_its_volumes(docker: Command, name: str) -> None:
    volumes = docker("volume", "ls", "-q")
    docker("run", "--rm", "--name", name, "-v", "/data", "bb", "touch", "/data/x")
    assert docker("ps", "-aq", "-f", f"name=^{name}$") == ""
    assert docker("volume", "ls", "-q") == volumes


def test_cidfile(docker: Command, name: str, tmp_path: Path) -> None:
    file = tmp_path / "id"
    docker("run", "--name", name, "--cidfile", str(file), "bb", "true")
    assert file.read_text() == docker("inspect", "-f", "{{.Id}}", name)
    assert "container ID file found" in docker.error("run", "--cidfile", str(file), "bb", "true", code=125)


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("bb", "nosuch"), 127, 'exec: "nosuch": executable file not found in $PATH'),
        (("bb", "/nosuch"), 127, 'exec: "/nosuch": stat /nosuch: no such file or directory'),
        (("bb", "/etc"), 126, 'exec: "/etc": is a directory: permission denied'),
        (("bb", "/etc/passwd"), 126, 'exec: "/etc/passwd": permission denied'),
        (("-m", "1k", "bb", "true"), 125, "Minimum memory limit allowed is 6MB"),
        (("--cap-add", "FOO", "bb", "true"), 125, 'unknown capability: "CAP_FOO"'),
        (("-u", "nobody-here", "bb", "true"), 125, "unable to find user nobody-here"),
        (("--no-such-flag", "bb"), 125, "unknown flag: --no-such-flag"),
        (("-w", "relative", "bb", "true"), 125, "it needs to be an absolute path"),
        (("--device", "/dev/nope", "bb", "true"), 127, 'custom device "/dev/nope": no such file or directory'),
        (("--sysctl", "net.ipv4.nosuch=0", "bb", "true"), 127, "no such file or directory"),
        (("-p", "80:80", "bb", "true"), 125, "published ports are not supported yet"),
        (("--network", "nosuchnet", "bb", "true"), 125, "nosuchnet"),
    ],
)
def test_refusals(docker: Command, arguments: tuple[str, ...], code: int, text: str) -> None:
    assert text in docker.error("run", "--rm", *arguments, code=code)


@pytest.mark.parametrize(("number", "code"), [("TERM", 143), ("KILL", 137), ("SEGV", 139), ("ABRT", 134)])
def test_killed_by_a_signal(docker: Command, number: str, code: int) -> None:
    docker("run", "--rm", "bb", "sh", "-c", f"sh -c 'kill -{number} $$'; exit $?", code=code)
    docker("run", "--rm", "--init", "bb", "sh", "-c", f"kill -{number} $$", code=code)


def test_exit_codes_are_passed_on(docker: Command) -> None:
    for code in (0, 1, 42, 125, 126, 127, 200, 255):
        docker("run", "--rm", "bb", "sh", "-c", f"exit {code}", code=code)


def test_signal_proxy(docker: Command) -> None:
    command = "trap 'echo term; exit 7' TERM; trap 'echo usr' USR1; echo ready; while :; do sleep 0.1; done"
    with docker.background("run", "--rm", "bb", "sh", "-c", command) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGUSR1)
        assert process.stdout.readline() == b"usr\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == b"term\n"
        assert process.wait(20) == 7


def test_without_signal_proxy(docker: Command, name: str) -> None:
    with docker.background("run", "--sig-proxy=false", "--name", name, "bb", "sh", "-c", "echo r; sleep 60") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"r\n"
        process.terminate()
        assert docker("inspect", "-f", "{{.State.Running}}", name) == "true"


def test_pull(docker: Command) -> None:
    assert "No such image" in docker.error("run", "--pull", "never", "nosuch:1", "true", code=125)
    assert docker("run", "--rm", "--pull", "missing", "bb", "echo", "x") == "x"
    said = docker.error("run", "nosuch:1", code=125)
    assert "Unable to find image 'nosuch:1' locally" in said


def test_attach_only_some(docker: Command) -> None:
    result = docker.result("run", "--rm", "-a", "stderr", "bb", "sh", "-c", "echo out; echo err >&2")
    assert (result.out, result.err) == ("", "err\n")


def test_env_labels_and_files(docker: Command, name: str, tmp_path: Path) -> None:
    (tmp_path / "env").write_text("# note\nA=1\nB=two words\n")
    (tmp_path / "labels").write_text("l=1\nm=\n")
    arguments = ("--env-file", str(tmp_path / "env"), "-e", "C=3", "--label-file", str(tmp_path / "labels"))
    out = docker("run", "--name", name, *arguments, "bb", "sh", "-c", "echo $A $B $C")
    assert out == "1 two words 3"
    assert docker("inspect", "-f", "{{json .Config.Labels}}", name) == '{"l":"1","m":""}'


def test_entrypoint_user_workdir_hostname(docker: Command) -> None:
    out = docker(
        *("run", "--rm", "--entrypoint", "sh", "-u", "user:extra", "-w", "/new/place", "-h", "box"),
        *("--domainname", "example", "--group-add", "3000", "bb", "-c", "id; pwd; hostname; echo $HOME"),
    )
    assert out.splitlines() == [
        "uid=1000(user) gid=2000(extra) groups=2000(extra),3000",
        "/new/place",
        "box",
        "/home/user",
    ]


def test_mounts(docker: Command, name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("from the host\n")
    out = docker(
        *("run", "--rm", "-v", f"{tmp_path}:/b:ro", "--mount", f"type=bind,src={tmp_path},dst=/m"),
        *("--tmpfs", "/t:size=1m", "--read-only", "-v", f"{name}:/v", "--shm-size", "8m", "bb", "sh", "-c"),
        "cat /b/file; touch /b/x; touch /x; echo y > /m/y && echo z > /v/z && touch /t/t && df -k /dev/shm | tail -1",
    )
    assert out.startswith("from the host\n")
    assert out.split()[-5] == "8192"
    assert (tmp_path / "y").read_text() == "y\n"
    assert not (tmp_path / "x").exists()
    assert docker("run", "--rm", "-v", f"{name}:/v", "bb", "cat", "/v/z") == "z"
    docker("volume", "rm", name)


def test_a_program_that_outlives_its_client(docker: Command, name: str, engine: EngineProcess) -> None:
    with docker.background("run", "--name", name, "bb", "sh", "-c", "echo a; sleep 60") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"a\n"
        process.kill()
    assert engine.client("GET", f"/containers/{name}/json").json["State"]["Running"]
