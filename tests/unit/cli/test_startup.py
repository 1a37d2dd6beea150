"""What the command may load: the price of its start is modules, so the list is held."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import estiba

HEAVY = {
    *(
        "argparse",
        "asyncio",
        "dataclasses",
        "typing",
        "inspect",
        "msgspec",
        "http",
        "http.client",
        "contextlib",
        "enum",
    ),
    *("re", "json", "socket", "signal", "subprocess", "threading", "urllib", "h11", "rich"),
    *("estiba.engine", "estiba.daemon", "estiba.api"),
}


def loaded(code: str) -> set[str]:
    """Modules of a fresh interpreter after running some code."""
    source = os.path.dirname(os.path.dirname(estiba.__file__))
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {source!r}); {code}\nprint(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


@pytest.fixture(scope="module")
def bare() -> set[str]:
    return loaded("pass")


def test_importing_the_command_loads_nothing_heavy(bare: set[str]) -> None:
    new = loaded("import estiba.cli") - bare
    assert not new.intersection(HEAVY)
    assert len(new) < 12


@pytest.mark.parametrize("module", ["ps", "run", "image_ls", "exec", "logs", "rm", "inspect", "stop", "start", "cp"])
def test_a_command_loads_nothing_heavy(module: str, bare: set[str]) -> None:
    assert not (loaded(f"import estiba.cli.commands.{module}") - bare).intersection(HEAVY)


def test_importing_the_library_loads_nothing_else(bare: set[str]) -> None:
    assert loaded("import estiba") - bare - {"__future__"} == {"estiba", "estiba.version"}


def test_version_is_the_distributions() -> None:
    project = Path(__file__).parents[3] / "pyproject.toml"
    assert tomllib.loads(project.read_text())["project"]["version"] == estiba.__version__


def test_unknown_name_of_the_library_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        estiba.Nothing  # noqa: B018
