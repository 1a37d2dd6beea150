"""The default container and each option, looked at from inside, beside Docker's values (hardening_rows.py)."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.e2e import hardening_rows as rows

from estiba.linux import capabilities
from estiba.linux.host import detect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.api.client import EngineProcess
    from tests.support.command import Command

V2 = Path("/sys/fs/cgroup/cgroup.controllers").exists()
NAMESPACES = ("mnt", "net", "uts", "pid", "ipc", "cgroup", "user", "time")
# names and numbers on x86_64: EPERM by the filter, whatever the arguments
REFUSED = """
keyctl 250 add_key 248 request_key 249 bpf 321 userfaultfd 323 io_uring_setup 425 open_by_handle_at 304 fsopen 430
open_tree 428 mount_setattr 442 mount 165 pivot_root 155 perf_event_open 298 syslog 103 iopl 172 quotactl 179 acct 163
clock_settime 227 reboot 169 setns 308 unshare 272 kcmp 312 pidfd_getfd 438 move_pages 279 mbind 237 vhangup 153
450 450 461 461
"""
ALLOWED = """
name_to_handle_at 303 landlock_create_ruleset 444 memfd_secret 447 statmount 457 listmount 458 mseal 462
cachestat 451 ptrace 101 process_vm_readv 310 modify_ldt 154
"""
NOT_THERE = "clone3 435 467 467 500 500 999 999"
EPERM, ENOSYS = 1, 38


def inside(docker: Command, options: str, command: str) -> str:
    out = docker("run", "--rm", *shlex.split(options), "bb", "sh", "-c", f"exec 2>&1; {command}; exit 0")
    return out.replace("\r", "").strip(" \n")


@pytest.mark.parametrize(
    "row",
    [
        *(rows.MOUNTS + rows.DEV + rows.CREDENTIALS + rows.ENVIRONMENTS),
        *(rows.V2 if V2 else rows.V1),
    ],
    ids=lambda row: row.name,
)
def test_row(docker: Command, row: rows.Row) -> None:
    assert inside(docker, row.options, row.command) == row.expected.strip(" \n")


def test_namespaces(docker: Command) -> None:
    theirs = inside(docker, "", f"cd /proc/self/ns; for n in {' '.join(NAMESPACES)}; do readlink $n; done").splitlines()
    own = [os.readlink(f"/proc/self/ns/{name}") for name in NAMESPACES]
    different = [name for name, mine, its in zip(NAMESPACES, own, theirs, strict=True) if mine != its]
    assert different == ["mnt", "net", "uts", "pid", "ipc"] + (["cgroup"] if V2 else [])


def test_masked_paths(docker: Command) -> None:
    """A file reads empty, a directory is empty; what this kernel lacks stays absent."""
    command = (
        "for p in " + " ".join(rows.MASKED) + "; do if [ -d $p ]; then echo $p $(ls -A $p | wc -l); "
        "elif [ -e $p ]; then echo $p $(stat -c %t:%T $p); fi; done"
    )
    found = dict(line.rsplit(" ", 1) for line in inside(docker, "", command).splitlines())
    assert found == {path: "0" if Path(path).is_dir() else "1:3" for path in rows.MASKED if Path(path).exists()}
    assert not any(inside(docker, "--security-opt systempaths=unconfined", rows.mount_of(path)) for path in found)


def test_read_only_paths(docker: Command) -> None:
    present = [path for path in rows.READ_ONLY if Path(path).exists()]
    for path, options in zip(
        present, inside(docker, "", "; ".join(map(rows.mount_of, present))).splitlines(), strict=True
    ):
        assert options == "ro,nosuid,nodev,noexec,relatime proc rw", path
    refused = inside(docker, "", "echo 1 > /proc/sys/kernel/core_pattern; echo b > /proc/sysrq-trigger")
    assert refused.count("Read-only file system") == 1 + Path("/proc/sysrq-trigger").exists()


def test_cgroup_of_its_own(docker: Command) -> None:
    """What a container sees of the hierarchies begins at its own place."""
    command = 'awk \'$5 ~ "^/sys/fs/cgroup" && $0 ~ " - cgroup" {print $4}\' /proc/self/mountinfo | sort -u'
    (found,) = inside(docker, "", command).splitlines()
    assert (found == "/") if V2 else found.startswith("/estiba/")


def test_system_calls(docker: Command, attack: str) -> None:
    refused, allowed, absent = (dict(batched(text)) for text in (REFUSED, ALLOWED, NOT_THERE))
    numbers = [*refused.values(), *allowed.values(), *absent.values()]
    out = docker("run", "--rm", "-v", f"{attack}:/estiba-attack:ro", "bb", "/estiba-attack", "call", *numbers)
    errors = {number: int(error) for number, error in map(str.split, out.splitlines())}
    assert [name for name, number in refused.items() if errors[number] != EPERM] == []
    assert [name for name, number in allowed.items() if errors[number] == EPERM] == []
    assert [name for name, number in absent.items() if errors[number] != ENOSYS] == []


def batched(text: str) -> Iterator[tuple[str, str]]:
    words = iter(text.split())
    return zip(words, words, strict=True)


def test_exec_is_held_like_the_container(docker: Command) -> None:
    name = "hardened-exec"
    docker("run", "-d", "--rm", "--name", name, "--cap-drop", "MKNOD", "-u", "user", "bb", "sleep", "60")
    try:
        out = docker("exec", name, "sh", "-c", f"{rows.CAPS}; {rows.SECCOMP}; {rows.GROUPS}; ls /proc/self/fd | wc -l")
        caps, *rest = out.split("\n", 1)[0], *out.splitlines()[1:]
        assert caps.split() == [
            rows.ZERO,
            rows.ZERO,
            rows.ZERO,
            "00000000a00425fb",
            rows.ZERO,
            "0",
            "2",
            "1",
            "Uid:",
            *["1000"] * 4,
        ]
        assert rest == ["Gid: 1000 1000 1000 1000", "Groups: 1000 2000", "4"]
        out = docker("exec", "--privileged", "-u", "0", name, "sh", "-c", f"{rows.CAPS}; {rows.SECCOMP}")
        everything = f"{capabilities.mask(detect().capabilities):016x}"
        assert out.split() == [rows.ZERO, everything, everything, everything, rows.ZERO, "0", "2", "1"]
        assert docker("exec", name, "readlink", "/proc/self/cwd") == "/"
        pid = docker("inspect", "-f", "{{.State.Pid}}", name)
        for kind in NAMESPACES:
            assert docker("exec", name, "readlink", f"/proc/self/ns/{kind}") == os.readlink(f"/proc/{pid}/ns/{kind}")
    finally:
        docker("kill", name)


def test_directories_of_the_engine(shared_engine: EngineProcess, docker: Command) -> None:
    """Nobody but root gets near an image's setuid programs, or a container's configuration."""
    assert shared_engine.root.stat().st_mode & 0o777 == 0o710
    docker("run", "--name", "modes", "bb", "echo", "x")
    try:
        found = json.loads(docker("inspect", "modes"))[0]
        log = Path(found["LogPath"])
        assert log.stat().st_mode & 0o777 == 0o640
        layers = [*found["GraphDriver"]["Data"]["LowerDir"].split(":"), found["GraphDriver"]["Data"]["UpperDir"]]
        for directory in (log.parent, *(Path(layer).parent for layer in layers)):
            assert directory.stat().st_mode & 0o007 == 0, directory
    finally:
        docker("rm", "modes")
