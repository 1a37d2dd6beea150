"""The docker command asking: versions, lists, inspect, logs, events, sizes."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from tests.support.command import Command, eventually

if TYPE_CHECKING:
    from tests.api.client import EngineProcess

FORMATS = {
    "{{.Name}}": "/{name}",
    "{{.State.Status}} {{.State.Running}} {{.State.ExitCode}}": "exited false 3",
    "{{json .Config.Cmd}}": '["sh","-c","echo x; exit 3"]',
    "{{.Config.Image}} {{.HostConfig.NetworkMode}}": "bb none",
    '{{index .Config.Labels "a"}}': "b",
    "{{range .Mounts}}{{.Type}} {{.Destination}}{{end}}": "volume /v",
    "{{.HostConfig.RestartPolicy.Name}}": "no",
    "{{len .HostConfig.MaskedPaths | ge 13}}": "true",
}


def test_version_and_info(docker: Command, engine: EngineProcess) -> None:
    assert docker("version", "-f", "{{.Server.APIVersion}}") == "1.51"
    assert "Server: Estiba" in docker("version")
    info = json.loads(docker("info", "-f", "{{json .}}"))
    assert info["DockerRootDir"] == str(engine.root)
    assert (info["Driver"], info["OSType"]) == ("overlay2", "linux")
    assert info["Containers"] == info["ContainersRunning"] + info["ContainersPaused"] + info["ContainersStopped"]
    assert "Storage Driver: overlay2" in docker("info")


def test_inspect(docker: Command, name: str) -> None:
    docker(
        *("run", "--name", name, "-l", "a=b", "--network", "none", "-v", "/v", "bb", "sh", "-c", "echo x; exit 3"),
        code=3,
    )
    for template, expected in FORMATS.items():
        assert docker("inspect", "-f", template, name) == expected.format(name=name), template
    assert json.loads(docker("inspect", "-s", name))[0]["SizeRootFs"] > 100_000
    assert json.loads(docker("inspect", "--type", "image", "bb"))[0]["RepoTags"] == ["bb:latest"]
    assert "no such object: nosuch" in docker.error("inspect", "nosuch").lower()


def test_ps(docker: Command, name: str, running: str) -> None:
    docker("create", "--name", f"{running}-b", "-l", f"of={running}", "bb", "true")
    try:
        assert docker("ps", "-f", f"name={running}", "--format", "{{.Names}}") == running
        both = docker("ps", "-a", "-f", f"name={running}", "--format", "{{.Names}} {{.State}} {{.Image}}")
        assert both.splitlines() == [f"{running}-b created bb", f"{running} running bb"]
        assert docker("ps", "-aq", "-f", f"label=of={running}", "-f", "status=created") != ""
        assert docker("ps", "-aq", "-f", f"label=of={running}", "-f", "status=exited") == ""
        assert docker("ps", "-n", "1", "--format", "{{.Names}}") == f"{running}-b"
        assert docker("ps", "-s", "-f", f"name={running}", "--format", "{{.Size}}").startswith("0B (virtual ")
        header = docker("ps").splitlines()[0].split()
        assert header == ["CONTAINER", "ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]
        entry = json.loads(docker("ps", "-f", f"name=^{running}$", "--format", "json"))
        assert entry["Status"].startswith("Up ")
    finally:
        docker("rm", f"{running}-b")


class TestLogs:
    def test_follow_to_the_end(self, docker: Command, name: str) -> None:
        docker(
            "run", "-d", "--name", name, "bb", "sh", "-c", "for i in 1 2 3 4 5; do echo $i; sleep 0.1; done; echo e >&2"
        )
        result = docker.result("logs", "-f", name)
        assert (result.out, result.err) == ("1\n2\n3\n4\n5\n", "e\n")

    def test_parts(self, docker: Command, name: str) -> None:
        docker(
            "run",
            "--name",
            name,
            "--log-opt",
            "labels=a",
            "-l",
            "a=b",
            "bb",
            "sh",
            "-c",
            "echo 1; sleep 1.1; echo 2; echo 3",
        )
        assert docker("logs", "-n", "1", name) == "3"
        assert docker("logs", "--details", "-n", "1", name) == "a=b 3"
        stamps = [line.split() for line in docker("logs", "-t", name).splitlines()]
        assert [stamp[1] for stamp in stamps] == ["1", "2", "3"]
        assert docker("logs", "--since", stamps[1][0], name) == "2\n3"
        assert docker("logs", "--until", stamps[0][0], name) == "1"
        assert docker("logs", "--since", "1h", "--until", "30m", name) == ""

    def test_a_terminal_s(self, docker: Command, name: str) -> None:
        docker("run", "-dt", "--name", name, "bb", "sh", "-c", "echo x; echo y >&2")
        docker("wait", name)
        assert docker.bytes("logs", name) == b"x\r\ny\r\n"

    def test_none(self, docker: Command, name: str) -> None:
        docker("run", "--name", name, "--log-driver", "none", "bb", "echo", "x")
        assert "configured logging driver does not support reading" in docker.error("logs", name)

    def test_rotation_keeps_the_end(self, docker: Command, name: str) -> None:
        options = ("--log-opt", "max-size=20k", "--log-opt", "max-file=2")
        docker("run", "--name", name, *options, "bb", "seq", "1", "20000")
        lines = docker("logs", name).splitlines()
        assert lines[-1] == "20000"
        assert 100 < len(lines) < 2000
        assert lines == [str(number) for number in range(int(lines[0]), 20001)]


def test_events(docker: Command, name: str) -> None:
    began = f"{time.time():.9f}"
    docker("run", "--rm", "--name", name, "-l", "a=b", "bb", "true")
    said = ("events", "--since", began, "--until", f"{time.time():.9f}", "-f", f"container={name}")
    actions = docker(*said, "--format", "{{.Type}} {{.Action}}").splitlines()
    assert [action.split()[1] for action in actions] == ["create", "attach", "start", "die", "destroy"]
    died = json.loads(docker(*said, "-f", "event=die", "--format", "json"))
    assert (
        died["Actor"]["Attributes"] | {"a": "b", "exitCode": "0", "image": "bb", "name": name}
        == died["Actor"]["Attributes"]
    )
    assert docker(*said, "-f", "label=nosuch") == ""


def test_live_events(docker: Command, name: str) -> None:
    with docker.background("events", "-f", f"container={name}", "--format", "{{.Action}}") as process:
        assert process.stdout is not None
        eventually(lambda: int(docker("info", "-f", "{{.NEventsListener}}")) > 0)
        docker("create", "--name", name, "bb", "true")
        assert process.stdout.readline() == b"create\n"
        docker("start", "-a", name)
        docker("rm", name)
        assert [process.stdout.readline() for _ in range(4)] == [b"attach\n", b"start\n", b"die\n", b"destroy\n"]


def test_diff(docker: Command, name: str) -> None:
    docker("run", "--name", name, "bb", "sh", "-c", "touch /new; rm /etc/group; mkdir -p /a/b; echo x >> /etc/passwd")
    assert sorted(docker("diff", name).splitlines()) == [
        "A /a",
        "A /a/b",
        "A /new",
        "C /etc",
        "C /etc/passwd",
        "D /etc/group",
    ]


def test_system_df(docker: Command, running: str) -> None:
    rows = {line.split()[0]: line for line in docker("system", "df").splitlines()}
    assert {"Images", "Containers", "Local"} <= set(rows)
    assert int(rows["Containers"].split()[1]) >= 1
    assert running in docker("system", "df", "-v")


def test_later_objects_say_so(docker: Command) -> None:
    assert "user-defined networks are not supported yet" in docker.error("network", "create", "x")
    assert {"bridge", "host", "none"} <= set(docker("network", "ls", "--format", "{{.Name}}").splitlines())
    assert "registries are not supported yet" in docker.error("pull", "nosuch:1")
