"""Every program of examples/ runs, says what it should, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support import inventory

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = Path(__file__).parents[2] / "examples"
SAID = {
    "files.py": "      3 GET /a\n      1 POST /a\n      1 GET /b\n",
    "hello.py": "it ended with 0\n",
    "parallel.py": "12 containers in ",
    "pipe.py": "10000 lines, from 0 to 10006\n",
    "test_installer.py": "3 passed",
    "untrusted.py": "never ends     stopped after 3 s\n",
}
UNTRUSTED = {
    "well-behaved": "6 times 7 is 42",
    "writes": "failed: bash: line 1: /etc/motd: Read-only file system",
    "calls home": "Network is unreachable",
    "takes memory": "killed",
    "multiplies": "fork",
}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """A root and a run directory for all examples; empty again at the end."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    top = tmp_path_factory.mktemp("examples")
    root, run = top / "root", top / "run"
    yield root, run
    left = inventory.take(root, run)
    found = {kind: getattr(left, kind) for kind in ("snapshots", "directories", "run_directories", "cgroups", "shims")}
    assert not any(found.values()), found


def run_example(name: str, places: tuple[Path, Path]) -> str:
    """Run it as a user would; its output."""
    root, run = places
    program = ["-m", "pytest", "-q"] if name.startswith("test_") else []
    done = subprocess.run(
        [sys.executable, *program, str(EXAMPLES / name)],
        env={**os.environ, "ESTIBA_ROOT": str(root), "ESTIBA_RUN_DIR": str(run)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_example_is_known() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(SAID)


@pytest.mark.parametrize("name", sorted(SAID))
def test_example(name: str, places: tuple[Path, Path]) -> None:
    output = run_example(name, places)
    assert SAID[name] in output
    if name == "untrusted.py":
        for case, judgement in UNTRUSTED.items():
            (line,) = [line for line in output.splitlines() if line.startswith(case)]
            assert judgement in line
