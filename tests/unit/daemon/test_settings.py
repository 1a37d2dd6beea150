"""Where settings come from, and which source wins."""

from __future__ import annotations

from pathlib import Path

import pytest

from estiba.daemon.settings import parse
from estiba.daemon.sockets import socket_path
from estiba.errors import InvalidArgument


def test_defaults() -> None:
    settings, ready = parse([], {})
    assert (settings.root, settings.run_dir) == (Path("/var/lib/estiba"), Path("/run/estiba"))
    assert (settings.hosts, settings.group, settings.log_level, ready) == ((), "docker", "info", -1)


def test_precedence(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text('root = "/file"\nrun-dir = "/file-run"\ngroup = "file"\nhosts = ["unix:///f"]\n')
    environment = {"ESTIBA_ROOT": "/env", "ESTIBA_RUN_DIR": "/env-run", "ESTIBA_CONFIG": str(file)}
    settings, _ = parse(["--root", "/flag"], environment)
    assert (settings.root, settings.run_dir, settings.group) == (Path("/flag"), Path("/env-run"), "file")
    assert settings.hosts == ("unix:///f",)


def test_hosts() -> None:
    assert parse(["-H", "unix:///a", "--host", "unix:///b"], {"ESTIBA_HOST": "unix:///c"})[0].hosts == (
        "unix:///a",
        "unix:///b",
    )
    assert parse([], {"ESTIBA_HOST": "unix:///c,unix:///d"})[0].hosts == ("unix:///c", "unix:///d")
    assert socket_path("unix:///run/x.sock") == Path("/run/x.sock")


@pytest.mark.parametrize("host", ["tcp://0.0.0.0:2375", "unix://relative", "/run/x.sock", ""])
def test_what_cannot_be_listened_on(host: str) -> None:
    with pytest.raises(InvalidArgument, match=r"cannot listen on"):
        socket_path(host)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("rooot = 1\n", "unknown setting 'rooot' in"),
        ("root = 1\n", "setting 'root' in .* must be a string"),
        ("hosts = 'x'\n", "setting 'hosts' in .* must be a list of strings"),
        ("= \n", "cannot read the settings file"),
        ('log-level = "loud"\n', "invalid log level 'loud'"),
    ],
)
def test_bad_files(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "s.toml"
    file.write_text(content)
    with pytest.raises(InvalidArgument, match=said):
        parse(["--config", str(file)], {})


def test_a_named_file_must_exist() -> None:
    with pytest.raises(InvalidArgument, match=r"/nosuch.toml: it does not exist"):
        parse(["--config", "/nosuch.toml"], {})
