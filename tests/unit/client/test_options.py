"""Keywords of the library in Docker's terms."""

from __future__ import annotations

from pathlib import Path

import pytest

from estiba.client.options import Options, container_config, host_config, size, words
from estiba.errors import InvalidArgument


@pytest.mark.parametrize(
    ("value", "expected"),
    [(512, 512), ("512", 512), ("64k", 65536), ("1.5m", 1572864), ("2g", 2 << 30), ("1GB", 1 << 30)],
)
def test_sizes(value: int | str, expected: int) -> None:
    assert size(value) == expected


@pytest.mark.parametrize("value", ["", "m", "1x", "much"])
def test_what_is_no_size_says_so(value: str) -> None:
    with pytest.raises(InvalidArgument, match="invalid size"):
        size(value)


def test_commands_are_split_as_a_shell_would() -> None:
    assert words("sh -c 'echo  a b'") == ["sh", "-c", "echo  a b"]
    assert words(["a b"]) == ["a b"]
    assert words(None) is None


def test_a_program_with_stdin_is_attached_once() -> None:
    config = container_config("x", "cat", Options(stdin=True, env={"A": "1"}, user="u", workdir="/w"))
    assert (config.open_stdin, config.stdin_once, config.attach_stdin) == (True, True, True)
    assert (config.env, config.user, config.working_dir, config.cmd) == (["A=1"], "u", "/w", ["cat"])


def test_limits_mounts_and_rights() -> None:
    host = host_config(
        Options(
            memory="512m",
            cpus=0.5,
            pids=10,
            volumes={"data": "/data", Path("/host"): "/inside:ro"},
            tmpfs=["/run:size=1m", "/tmp"],
            devices=["/dev/fuse", "/dev/null:/dev/x:r"],
            ulimits={"nofile": (10, 20)},
            restart="on-failure:3",
            cap_drop=["ALL"],
        )
    )
    assert (host.memory, host.nano_cpus, host.pids_limit) == (512 << 20, 500_000_000, 10)
    assert host.binds == ["data:/data", "/host:/inside:ro"]
    assert host.tmpfs == {"/run": "size=1m", "/tmp": ""}
    assert [(d.path_on_host, d.path_in_container, d.cgroup_permissions) for d in host.devices or []] == [
        ("/dev/fuse", "/dev/fuse", "rwm"),
        ("/dev/null", "/dev/x", "r"),
    ]
    assert [(u.name, u.soft, u.hard) for u in host.ulimits or []] == [("nofile", 10, 20)]
    assert (host.restart_policy.name, host.restart_policy.maximum_retry_count) == ("on-failure", 3)
    assert host.cap_drop == ["ALL"]
