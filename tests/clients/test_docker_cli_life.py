"""The docker command on containers that exist: start, attach, exec, stop, restart, health, limits."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from tests.support.command import Command, eventually

if TYPE_CHECKING:
    import subprocess

EVENTS = ("events", "--format", "{{.Action}}", "--since", "60s", "--until")
LOOP = "trap 'exit 0' TERM; while :; do sleep 0.1; done"


def state(docker: Command, name: str, template: str) -> str:
    return docker("inspect", "-f", f"{{{{{template}}}}}", name)


def read_line(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().decode()


class TestStart:
    def test_created_then_started(self, docker: Command, name: str) -> None:
        docker("create", "--name", name, "bb", "sh", "-c", "echo x; exit 5")
        assert state(docker, name, ".State.Status") == "created"
        assert docker("start", name) == name
        assert docker("wait", name) == "5"
        # every start is another run, the log goes on
        docker("start", "-a", name, code=5)
        assert docker("logs", name) == "x\nx"

    def test_attached_with_stdin(self, docker: Command, name: str) -> None:
        docker("create", "-i", "--name", name, "bb", "cat")
        for text in (b"one\n", b"two\n"):
            assert docker("start", "-ai", name, stdin=text) == text.decode().strip()

    def test_attached_on_a_terminal(self, docker: Command, name: str) -> None:
        docker("create", "-it", "--name", name, "bb", "sh")
        with docker.terminal("start", "-ai", name) as terminal:
            terminal.expect("# ")
            terminal.send("exit 6\n")
            assert terminal.end() == 6

    def test_several_and_unknown(self, docker: Command, name: str) -> None:
        docker("create", "--name", name, "bb", "true")
        result = docker.result("start", "nosuch", name)
        assert (result.code, result.out) == (1, f"{name}\n")
        assert "No such container: nosuch" in result.err


class TestAttach:
    def test_several_see_the_same(self, docker: Command, name: str) -> None:
        docker("run", "-di", "--name", name, "bb", "cat")
        with docker.background("attach", name) as one, docker.background("attach", "--no-stdin", name) as two:
            assert one.stdin is not None
            seen = (*EVENTS, f"{time.time() + 5:.9f}", "-f", f"container={name}")
            with docker.background(*seen) as events:
                while "attach" not in read_line(events) or "attach" not in read_line(events):
                    pass
            one.stdin.write(b"hello\n")
            one.stdin.flush()
            assert read_line(one) == read_line(two) == "hello\n"
            docker("kill", name)
            assert one.wait(20) == two.wait(20) == 137

    def test_the_exit_code(self, docker: Command, name: str) -> None:
        command = "trap 'exit 11' USR1; while :; do echo tick; sleep 0.1; done"
        docker("run", "-d", "--name", name, "bb", "sh", "-c", command)
        with docker.background("attach", "--sig-proxy=false", name) as process:
            assert read_line(process) == "tick\n"
            docker("kill", "-s", "USR1", name)
            assert process.wait(20) == 11

    def test_not_running(self, docker: Command, name: str) -> None:
        docker("create", "--name", name, "bb")
        assert "cannot attach to a stopped container" in docker.error("attach", name)


class TestExec:
    def test_streams_and_code(self, docker: Command, running: str) -> None:
        result = docker.result("exec", running, "sh", "-c", "echo out; echo err >&2; exit 13")
        assert (result.code, result.out, result.err) == (13, "out\n", "err\n")
        assert docker("exec", "-i", running, "wc", "-c", stdin=b"x" * 100_000) == "100000"

    def test_options(self, docker: Command, running: str) -> None:
        out = docker(
            *("exec", "-e", "A=1", "-w", "/tmp", "-u", "user", running),
            *("sh", "-c", "echo $A; pwd; id; echo $HOME"),
        )
        assert out.splitlines() == [
            "1",
            "/tmp",
            "uid=1000(user) gid=1000(users) groups=1000(users),2000(extra)",
            "/home/user",
        ]
        assert "CapEff:\t00000000a80425fb" in docker("exec", running, "grep", "CapEff", "/proc/self/status")
        assert "CapEff:\t000001ff" in docker("exec", "--privileged", running, "grep", "CapEff", "/proc/self/status")

    def test_a_terminal(self, docker: Command, running: str) -> None:
        with docker.terminal("exec", "-it", running, "sh", rows=20, columns=70) as terminal:
            terminal.expect("# ")
            terminal.send("stty size; echo $TERM\n")
            terminal.expect("20 70")
            terminal.expect("xterm")
            terminal.send("exit 21\n")
            assert terminal.end() == 21

    def test_detach_keys(self, docker: Command, running: str) -> None:
        with docker.terminal("exec", "-it", "--detach-keys", "ctrl-a,b", running, "sh") as terminal:
            terminal.expect("# ")
            terminal.send("\x01b")
            terminal.end()
        assert "sh" in docker("top", running, "-o", "pid,args")

    def test_in_the_background(self, docker: Command, running: str) -> None:
        docker("exec", "-d", running, "sh", "-c", "echo done > /tmp/done")
        eventually(lambda: docker.result("exec", running, "cat", "/tmp/done").out == "done\n")

    @pytest.mark.parametrize(
        ("arguments", "code", "text"),
        [
            (("nosuch",), 127, 'exec: "nosuch": executable file not found in $PATH'),
            (("/etc",), 126, 'exec: "/etc": is a directory'),
            (("/etc/passwd",), 126, "permission denied"),
        ],
    )
    def test_what_cannot_run(
        self, docker: Command, running: str, arguments: tuple[str, ...], code: int, text: str
    ) -> None:
        result = docker.result("exec", running, *arguments)
        assert result.code == code
        assert text in result.out + result.err

    def test_refusals(self, docker: Command, running: str) -> None:
        assert "unable to find user nobody-here" in docker.error("exec", "-u", "nobody-here", running, "true")
        assert "No such container: nosuch" in docker.error("exec", "nosuch", "true")
        docker("pause", running)
        assert "is paused" in docker.error("exec", running, "true")
        docker("unpause", running)
        docker("stop", running)
        assert "is not running" in docker.error("exec", running, "true")


class TestEnds:
    def test_stop_lets_it_end(self, docker: Command, running: str) -> None:
        assert docker("stop", running) == running
        assert state(docker, running, ".State.ExitCode") == "0"

    def test_stop_ends_it_in_the_end(self, docker: Command, name: str) -> None:
        docker("run", "-d", "--name", name, "bb", "sh", "-c", "trap '' TERM; while :; do sleep 0.1; done")
        began = time.monotonic()
        docker("stop", "-t", "1", name)
        assert 0.9 < time.monotonic() - began < 10
        assert state(docker, name, ".State.ExitCode") == "137"

    def test_stop_signal_and_timeout_of_the_container(self, docker: Command, name: str) -> None:
        options = ("--stop-signal", "USR1", "--stop-timeout", "60")
        docker(
            "run", "-d", "--name", name, *options, "bb", "sh", "-c", "trap 'exit 3' USR1; while :; do sleep 0.1; done"
        )
        docker("stop", name)
        assert state(docker, name, ".State.ExitCode") == "3"

    def test_kill(self, docker: Command, running: str) -> None:
        assert "invalid signal: NOPE" in docker.error("kill", "-s", "NOPE", running).lower().replace("nope", "NOPE")
        docker("kill", running)
        assert docker("wait", running) == "137"
        assert "is not running" in docker.error("kill", running)

    def test_restart(self, docker: Command, running: str) -> None:
        pid = state(docker, running, ".State.Pid")
        docker("restart", running)
        assert state(docker, running, ".State.Pid") != pid
        assert state(docker, running, ".State.Running") == "true"

    def test_pause(self, docker: Command, name: str) -> None:
        docker("run", "-d", "--name", name, "bb", "sh", "-c", "while :; do echo x; sleep 0.05; done")
        docker("pause", name)
        assert state(docker, name, ".State.Status") == "paused"
        seen = docker("logs", name)
        time.sleep(0.3)
        assert docker("logs", name) == seen
        docker("unpause", name)
        eventually(lambda: len(docker("logs", name)) > len(seen))
        docker("pause", name)
        docker("stop", name)
        assert state(docker, name, ".State.ExitCode") == "137"

    def test_rm(self, docker: Command, running: str) -> None:
        assert "container is running: stop the container before removing" in docker.error("rm", running)
        assert docker("rm", "-f", running) == running
        assert "No such container" in docker.error("rm", running)
        assert docker.result("rm", "-f", running).code == 0

    def test_wait_for_several(self, docker: Command, name: str) -> None:
        docker("run", "-d", "--name", name, "bb", "sh", "-c", "sleep 0.3; exit 4")
        docker("run", "-d", "--name", f"{name}-b", "bb", "sh", "-c", "sleep 0.1; exit 2")
        assert docker("wait", name, f"{name}-b") == "4\n2"
        docker("rm", f"{name}-b")


class TestRestartPolicy:
    def test_on_failure_gives_up(self, docker: Command, name: str) -> None:
        docker("run", "-d", "--name", name, "--restart", "on-failure:2", "bb", "sh", "-c", "echo x; exit 3")
        eventually(lambda: state(docker, name, ".State.Status") == "exited")
        assert state(docker, name, ".RestartCount") == "2"
        assert docker("logs", name) == "x\nx\nx"

    def test_always_comes_back_until_stopped(self, docker: Command, name: str) -> None:
        docker("run", "-d", "--name", name, "--restart", "always", "bb", "sh", "-c", "echo x; sleep 0.2; echo y")
        eventually(lambda: docker("logs", name).count("y") >= 2)
        docker("stop", "-t", "0", name)
        assert state(docker, name, ".State.Status") == "exited"

    def test_update_ends_it(self, docker: Command, name: str) -> None:
        docker("run", "-d", "--name", name, "--restart", "always", "bb", "sh", "-c", LOOP)
        docker("update", "--restart", "no", name)
        docker("exec", name, "kill", "1")
        assert docker("wait", name) == "0"
        assert state(docker, name, ".State.Status") == "exited"


class TestHealth:
    def test_becomes_healthy_then_unhealthy(self, docker: Command, name: str) -> None:
        options = ("--health-interval", "100ms", "--health-retries", "2", "--health-timeout", "5s")
        docker(
            "run",
            "-d",
            "--name",
            name,
            "--health-cmd",
            "cat /tmp/well",
            *options,
            "bb",
            "sh",
            "-c",
            "touch /tmp/well; sleep 60",
        )
        eventually(lambda: state(docker, name, ".State.Health.Status") == "healthy")
        assert "(healthy)" in docker("ps", "-f", f"name=^{name}$", "--format", "{{.Status}}")
        assert docker("ps", "-q", "-f", f"name=^{name}$", "-f", "health=healthy") != ""
        docker("exec", name, "rm", "/tmp/well")
        eventually(lambda: state(docker, name, ".State.Health.Status") == "unhealthy")
        log = docker("inspect", "-f", "{{range .State.Health.Log}}{{.ExitCode}} {{.Output}}{{end}}", name)
        assert "can't open" in log
        events = docker(*EVENTS, f"{time.time():.9f}", "-f", f"container={name}")
        assert "health_status: healthy" in events
        assert "health_status: unhealthy" in events

    def test_a_slow_check_times_out(self, docker: Command, name: str) -> None:
        options = ("--health-interval", "100ms", "--health-retries", "1", "--health-timeout", "200ms")
        docker("run", "-d", "--name", name, "--health-cmd", "sleep 30", *options, "bb", "sleep", "60")
        eventually(lambda: state(docker, name, ".State.Health.Status") == "unhealthy")
        eventually(lambda: "sleep 30" not in docker("top", name, "-o", "pid,args"))

    def test_none(self, docker: Command, name: str) -> None:
        docker("run", "-d", "--name", name, "--no-healthcheck", "bb", "sleep", "60")
        assert state(docker, name, "json .State.Health") == "null"


def test_rename_and_update(docker: Command, running: str) -> None:
    docker("rename", running, f"{running}-new")
    assert docker("update", "-m", "64m", "--memory-swap", "-1", "--cpus", "0.5", f"{running}-new") == f"{running}-new"
    assert state(docker, f"{running}-new", ".HostConfig.Memory") == str(64 << 20)
    assert state(docker, f"{running}-new", ".HostConfig.NanoCpus") == "500000000"
    docker("rename", f"{running}-new", running)


def test_oom_kill_is_told(docker: Command, name: str) -> None:
    docker("run", "--name", name, "-m", "16m", "--memory-swap", "16m", "bb", "sh", "-c", "tail /dev/zero", code=137)
    assert state(docker, name, ".State.OOMKilled") == "true"


def test_top_and_stats(docker: Command, running: str) -> None:
    assert docker("top", running).splitlines()[0].split()[:2] == ["UID", "PID"]
    assert docker("top", running, "-o", "pid,args").splitlines()[0].split() == ["PID", "COMMAND"]
    line = docker("stats", "--no-stream", "--format", "{{.Name}} {{.PIDs}} {{.MemUsage}}", running)
    assert line.startswith(f"{running} ")
    assert "iB / " in line
