"""The command as a whole: help, unknown words, where the engine is looked for, errors and exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Run
    from tests.unit.cli.recorder import Recorder

from estiba.cli import main, session
from estiba.cli.registry import GROUPS, TOP

EVERY = [(name, module) for name, (module, _) in TOP.items()]
EVERY += [(f"{group} {name}", module) for group, (_, table) in GROUPS.items() for name, (module, _) in table.items()]
PASS_ON = ("serve", "doctor")


@pytest.mark.parametrize(("name", "module"), EVERY)
def test_every_command_has_help(name: str, module: str, estiba: Run) -> None:
    command = import_module(f"estiba.cli.commands.{module}").COMMAND
    assert command.short
    if name in PASS_ON:
        return
    code, out, err = estiba(*name.split(), "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage:  estiba {name}")
    assert all(flag.hidden or f"--{flag.name}" in out for flag in command.flags)
    assert max(map(len, out.split("\n"))) <= 100


def test_help_of_everything(estiba: Run) -> None:
    alone = estiba()
    assert alone[0] == 0
    assert estiba("--help") == alone
    for word in (*TOP, *GROUPS, "--host"):
        assert word in alone[1]
    for group in GROUPS:
        code, out, _ = estiba(group)
        assert (code, out.startswith(f"Usage:  estiba {group} COMMAND")) == (0, True)
    assert estiba("help", "ps") == estiba("ps", "--help")


def see(command: str) -> str:
    return f"Run 'estiba {command}--help' for more information\n"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("foo", 1, "estiba: unknown command: estiba foo\n\n" + see("")),
        (
            "build .",
            1,
            "estiba: unknown command: estiba build\n\nEstiba has no 'build' of its own."
            " Docker's command talks to it: docker -H unix:///run/estiba.sock build\n\n" + see(""),
        ),
        ("psx", 1, "estiba: unknown command: estiba psx\n\nDid you mean 'ps'?\n\n" + see("")),
        (
            "container foo",
            1,
            "estiba: unknown command: estiba container foo\n\nUsage:  estiba container\n\n" + see("container "),
        ),
        ("ps --foo", 125, "unknown flag: --foo\n\nUsage:  estiba ps [OPTIONS]\n\n" + see("ps ")),
        ("--foo", 125, "unknown flag: --foo\n\nUsage:  estiba [OPTIONS] COMMAND [ARG...]\n\n" + see("")),
        (
            "rename x",
            1,
            "estiba: 'estiba rename' requires 2 arguments\n\nUsage:  estiba rename CONTAINER NEW_NAME\n\n"
            + see("rename "),
        ),
        (
            "container ls x",
            1,
            "estiba: 'estiba container ls' accepts no arguments\n\nUsage:  estiba container ls [OPTIONS]\n\n"
            + see("container ls "),
        ),
    ],
)
def test_what_is_not_understood(words: str, code: int, message: str, estiba: Run) -> None:
    assert estiba(*words.split()) == (code, "", message)


def test_version(estiba: Run) -> None:
    assert estiba("--version") == (0, "Estiba version 0.1.0\n", "")


@pytest.mark.parametrize(
    ("flag", "own", "docker", "chosen"),
    [
        ("unix:///f", "unix:///e", "unix:///d", "unix:///f"),
        ("", "unix:///e", "unix:///d", "unix:///e"),
        ("", "", "unix:///d", "unix:///d"),
        ("", "", "", "unix:///run/estiba.sock"),
    ],
)
def test_where_the_engine_is(flag: str, own: str, docker: str, chosen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ESTIBA_ROOT", raising=False)
    monkeypatch.setenv("ESTIBA_HOST", own)
    monkeypatch.setenv("DOCKER_HOST", docker)
    assert session.choose_host(flag) == chosen


def test_host_flag(recorder: Recorder, capfd: pytest.CaptureFixture[str]) -> None:
    recorder.replies["/containers/json"] = []
    assert main(["-H", recorder.host, "ps", "-q"]) == 0
    assert capfd.readouterr() == ("", "")


def test_no_engine_at_a_given_address(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["-H", "unix:///nowhere/s", "ps"]) == 1
    assert capfd.readouterr().err.startswith(
        "Cannot connect to the Docker daemon at unix:///nowhere/s. Is the docker daemon running?"
    )


def test_errors_of_the_engine(estiba: Run, recorder: Recorder) -> None:
    recorder.replies["/x/stop"] = (404, {"message": "No such container: x"})
    assert estiba("stop", "a", "x", "b") == (1, "a\nb\n", "Error response from daemon: No such container: x\n")
    recorder.replies["/x"] = (404, {"message": "No such container: x"})
    assert estiba("rm", "-f", "x", "a") == (0, "a\n", "Error response from daemon: No such container: x\n")


def test_prune_asks(estiba: Run, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    recorder.replies["/prune"] = {"ContainersDeleted": ["1", "2"], "SpaceReclaimed": 5000}
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    code, out, _ = estiba("container", "prune")
    assert (code, recorder.requests) == (0, [])
    assert out.startswith(
        "WARNING! This will remove all stopped containers.\nAre you sure you want to continue? [y/N] "
    )
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert estiba("container", "prune")[1].endswith("Deleted Containers:\n1\n2\n\nTotal reclaimed space: 5kB\n")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str, estiba: Run) -> None:
    code, out, err = estiba("completion", shell)
    assert (code, err) == (0, "")
    assert "from-host" in out
    assert "memory-swap" in out


def test_progress_of_load(estiba: Run, recorder: Recorder, tmp_path: os.PathLike[str]) -> None:
    archive = os.path.join(tmp_path, "in.tar")
    with open(archive, "wb") as file:
        file.write(b"\0" * 1024)
    recorder.replies["/load"] = (
        b'{"status":"Loading layer","progressDetail":{"current":5,"total":9},"id":"abc"}\r\n'
        b'{"stream":"Loaded image: x:1\\n"}\r\n'
    )
    assert estiba("load", "-i", archive) == (0, "Loaded image: x:1\n", "")
    recorder.replies["/load"] = b'{"errorDetail":{"message":"unexpected EOF"},"error":"unexpected EOF"}\r\n'
    assert estiba("load", "-i", archive) == (1, "", "unexpected EOF\n")
    assert estiba("load", "-i", archive + "x") == (1, "", f"open {archive}x: no such file or directory\n")


def test_registry_credentials(estiba: Run, recorder: Recorder) -> None:
    import base64
    import json

    from estiba.cli.pulling import authorization
    from estiba.cli.session import Session

    with open(os.path.join(recorder.directory, "config.json"), "w") as file:
        json.dump({"auths": {"h.io:5000": {"auth": base64.b64encode(b"me:pass:word").decode()}}}, file)
    try:
        ours = Session(host=recorder.host, config_dir=recorder.directory)
        decoded = json.loads(base64.urlsafe_b64decode(authorization(ours, "h.io:5000/x")))
        assert decoded == {"username": "me", "password": "pass:word", "serveraddress": "h.io:5000"}
        assert authorization(ours, "x") == "e30="
    finally:
        os.unlink(os.path.join(recorder.directory, "config.json"))


def test_a_reader_that_leaves_is_no_error(recorder: Recorder) -> None:
    recorder.replies["/logs"] = (b"\1\0\0\0\0\0\xff\xff" + b"x" * 65535) * 20
    source = os.path.dirname(os.path.dirname(os.path.dirname(session.__file__)))
    program = f"{sys.executable} -c 'import sys; from estiba.cli import main; sys.exit(main())'"
    done = subprocess.run(
        f"{program} logs x | head -c 5; echo ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        env={**os.environ, "ESTIBA_HOST": recorder.host, "PYTHONPATH": source},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("xxxxx141\n", "")
