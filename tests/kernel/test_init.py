"""The `init` role: PID 1 of a container that forwards signals and reaps."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.kernel.bundles import NATIVE

from estiba.oci.runtime_spec import Mount

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kernel.bundles import Bench

    from estiba.oci.runtime_spec import Spec


@pytest.fixture(scope="session")
def init_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shim's program, which is docker-init by its name."""
    output = tmp_path_factory.mktemp("shim")
    subprocess.run(["make", "-s", "-C", NATIVE, f"OUT={output}", str(output / "estiba-shim")], check=True)
    return output / "estiba-shim"


def _spec(bench: Bench, program: Path, *args: str, **changes: object) -> Spec:
    options = ["bind", "ro", "rprivate"]
    init = Mount(destination="/sbin/docker-init", type="bind", source=str(program), options=options)
    return bench.spec("/sbin/docker-init", "--", *args, mounts=[init], **changes)


def test_it_is_pid_1_and_passes_the_exit_code(bench: Bench, init_program: Path) -> None:
    script = "tr '\\0' ' ' < /proc/1/cmdline; echo; echo $$; cut -d' ' -f5 /proc/$$/stat; exit 7"
    result = bench.run(_spec(bench, init_program, "sh", "-c", script))
    lines = result.output.splitlines()
    assert lines[0].startswith("/sbin/docker-init -- sh -c")
    assert lines[1] != "1"
    assert lines[1] == lines[2], "a process group of its own"
    assert result.code == 7


@pytest.mark.parametrize(
    ("program", "code", "text"),
    [("/nope", 127, "No such file or directory"), ("/etc/passwd", 126, "Permission denied")],
)
def test_program_that_cannot_be_started(bench: Bench, init_program: Path, program: str, code: int, text: str) -> None:
    result = bench.run(_spec(bench, init_program, program))
    assert (result.code, result.errors) == (code, f"exec {program}: {text}\n")


def test_killed_program(bench: Bench, init_program: Path) -> None:
    assert bench.run(_spec(bench, init_program, "sh", "-c", "kill -SEGV $$")).code == 128 + signal.SIGSEGV


def test_signals_are_forwarded(bench: Bench, init_program: Path) -> None:
    script = "trap 'echo got; exit 9' TERM; echo up; while :; do sleep 0.05; done"
    spec = _spec(bench, init_program, "sh", "-c", script)
    output, code = bench.converse(spec, ("up", ""), signal_to_init=signal.SIGTERM)
    assert (output, code) == ("up\ngot\n", 9)


def test_orphans_are_reaped(bench: Bench, init_program: Path) -> None:
    script = "for i in 1 2 3 4 5; do (sleep 0.01 &) ; done; sleep 0.5; grep -l 'State:.Z' /proc/[0-9]*/status | wc -l"
    result = bench.run(_spec(bench, init_program, "sh", "-c", script))
    assert result.output == "0\n"


def test_terminal_goes_to_the_program(bench: Bench, init_program: Path) -> None:
    script = "trap 'echo caught; exit 4' INT; echo up; read line; read line"
    spec = _spec(bench, init_program, "sh", "-c", script, terminal=True)
    output, code = bench.converse(spec, ("up", "\x03"))
    assert output.endswith("caught\r\n")
    assert code == 4


def test_mask_of_the_program_is_empty(bench: Bench, init_program: Path) -> None:
    result = bench.run(_spec(bench, init_program, "cat", "/proc/self/status"))
    assert "SigBlk:\t0000000000000000" in result.output
    assert "SigIgn:\t0000000000000000" in result.output


def test_without_a_program(init_program: Path) -> None:
    link = init_program.parent / "docker-init"
    if not link.exists():
        os.symlink("estiba-shim", link)
    assert subprocess.run([link], check=False).returncode == 127
    assert subprocess.run([link, "--"], check=False).returncode == 127
