"""The program of the embedded image, in a container."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests.kernel.bundles import DEFAULT_CAPABILITIES, NATIVE

from estiba.runtime.seccomp import resolve_profile

if TYPE_CHECKING:
    from pathlib import Path

    from tests.kernel.bundles import Bench


@pytest.fixture(scope="session")
def hello(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, built."""
    output = tmp_path_factory.mktemp("hello")
    subprocess.run(["make", "-s", "-C", NATIVE, f"OUT={output}", str(output / "hello")], check=True)
    return output / "hello"


def test_it_tells_what_is_so(bench: Bench, hello: Path) -> None:
    shutil.copy(hello, bench.root / "hello")
    spec = bench.spec("/hello", env=[f"ESTIBA_START_NS={time.time_ns()}"])
    seccomp = resolve_profile(None, frozenset(DEFAULT_CAPABILITIES))
    spec = msgspec.structs.replace(spec, linux=msgspec.structs.replace(spec.linux, seccomp=seccomp))
    result = bench.run(spec)
    assert result.code == 0
    for words in (
        "Hello from a container!",
        "host name    box",
        "1 can be seen from here; this one is number 1",
        "uids are the machine's own",
        "14 of root's 41 capabilities, never more than 14",
        "system calls are filtered",
        "estiba run --rm -it host bash",
    ):
        assert words in result.output
    assert re.search(r"start +[0-9.]+ ms from the request", result.output)
    assert "\033" not in result.output, "colours are for terminals"


def test_colours_on_a_terminal(bench: Bench, hello: Path) -> None:
    shutil.copy(hello, bench.root / "hello")
    assert "\033[1m" in bench.run(bench.spec("/hello", terminal=True)).output
    quiet = bench.run(bench.spec("/hello", terminal=True, env=["NO_COLOR=1"])).output
    assert "\033" not in quiet
    assert "ms old" in quiet
