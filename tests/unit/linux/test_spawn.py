from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from estiba.linux import pidfd, spawn

if TYPE_CHECKING:
    from pathlib import Path


def run(script: str, descriptors: dict[int, int], environment: dict[str, str] | None = None) -> int:
    program = os.open("/bin/sh", os.O_RDONLY | os.O_CLOEXEC)
    try:
        pid = spawn.spawn(program, ("sh", "-c", script), descriptors, environment or {})
    finally:
        os.close(program)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_descriptors_have_the_numbers_asked_for_though_they_cross(tmp_path: Path) -> None:
    files = [os.open(tmp_path / str(i), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC) for i in range(4)]
    # each source is another's target
    targets = dict(zip(sorted(files), sorted(files, reverse=True), strict=True))
    script = "; ".join(f"echo {target} >/proc/self/fd/{target}" for target in targets)
    try:
        assert run(script, targets) == 0
        for target, source in targets.items():
            assert os.pread(source, 100, 0).decode() == f"{target}\n"
    finally:
        for file in files:
            os.close(file)


def test_no_other_descriptor_and_a_clean_environment(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w+b") as out:
        spare = os.open("/", os.O_RDONLY | os.O_CLOEXEC)
        try:
            null = os.open("/dev/null", os.O_RDWR)
            assert run("ls /proc/$$/fd; echo $X", {0: null, 1: out.fileno(), 2: null}, {"X": "y"}) == 0
            os.close(null)
        finally:
            os.close(spare)
        out.seek(0)
        numbers = out.read().split()
    assert numbers[-1] == b"y"
    assert b"%d" % spare not in numbers


def test_signals_are_as_the_kernel_makes_them_and_the_session_is_new(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    try:
        with (tmp_path / "out").open("w+b") as out:
            assert run("grep Sig /proc/self/status; cut -d' ' -f6 /proc/$$/stat; echo $$", {1: out.fileno()}) == 0
            out.seek(0)
            lines = out.read().decode().splitlines()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR2})
        signal.signal(signal.SIGUSR1, before)
    masks = {line.split(":")[0]: int(line.split()[1], 16) for line in lines if line.startswith(("SigBlk", "SigIgn"))}
    # the C library ignores its own two, 32 and 33
    assert masks == {"SigBlk": 0, "SigIgn": masks["SigIgn"] & (3 << 31)}
    assert lines[-2] == lines[-1]


def test_what_cannot_run_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"nothing to run")
    with (tmp_path / "x").open("rb") as file, pytest.raises(PermissionError):
        spawn.spawn(file.fileno(), ("x",), {}, {})


def test_a_pidfd_tells_the_end(tmp_path: Path) -> None:
    program = os.open("/bin/sh", os.O_RDONLY | os.O_CLOEXEC)
    reading, writing = os.pipe()
    pid = spawn.spawn(program, ("sh", "-c", "read x"), {0: reading}, {})
    process = os.pidfd_open(pid)
    try:
        assert not pidfd.has_ended(process)
        assert not pidfd.wait_ended(process, 0.01)
        with os.fdopen(pidfd.open_of_process(pid, "comm")) as comm:
            assert comm.read().strip()
        os.close(writing)
        assert pidfd.wait_ended(process, 10)
        with pytest.raises(ProcessLookupError):
            pidfd.open_of_process(pid, "status")
    finally:
        os.close(process)
        os.close(reading)
        os.close(program)
        os.waitpid(pid, 0)
    with pytest.raises(ProcessLookupError):
        pidfd.open_of_process(pid, "comm")
