"""The public names, and what importing the package costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import estiba

PUBLIC = {
    "Completed",
    "Conflict",
    "Container",
    "Engine",
    "EngineFace",
    "EstibaError",
    "Forbidden",
    "Image",
    "InvalidArgument",
    "NotFound",
    "Process",
    "ProcessFailed",
    "StartFailed",
    "SystemFailure",
    "Timeout",
    "Unavailable",
    "Unsupported",
    "connect",
    "open",
}


def test_exactly_these_names_are_public() -> None:
    assert set(dir(estiba)) - {"__version__"} == PUBLIC


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_each_resolves(name: str) -> None:
    assert getattr(estiba, name).__module__.startswith("estiba.")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        estiba.nothing  # noqa: B018


def test_importing_loads_nothing_of_the_engine() -> None:
    program = "import sys, estiba; print(*(n for n in sys.modules if n.startswith('estiba')))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"estiba", "estiba.version"}
