"""The order of a process's environment."""

from __future__ import annotations

import pytest

from estiba.engine.spec.environment import DEFAULT_PATH, build_environment

PATH = f"PATH={DEFAULT_PATH}"


@pytest.mark.parametrize(
    ("configured", "terminal", "expected"),
    [
        ([], False, [PATH, "HOSTNAME=h", "HOME=/root"]),
        ([], True, [PATH, "HOSTNAME=h", "TERM=xterm", "HOME=/root"]),
        (["A=1", "B="], False, [PATH, "HOSTNAME=h", "A=1", "B=", "HOME=/root"]),
        (["PATH=/bin", "HOSTNAME=x"], False, ["PATH=/bin", "HOSTNAME=x", "HOME=/root"]),
        (["TERM"], True, [PATH, "HOSTNAME=h", "HOME=/root"]),
        (["PATH"], False, ["HOSTNAME=h", "HOME=/root"]),
        (["TERM=dumb"], False, [PATH, "HOSTNAME=h", "TERM=dumb", "HOME=/root"]),
        (["A=1", "B=2", "A=3"], False, [PATH, "HOSTNAME=h", "B=2", "A=3", "HOME=/root"]),
        (["A=1", "A"], False, [PATH, "HOSTNAME=h", "A=1", "HOME=/root"]),
        (["HOME=/h", "A=1"], False, [PATH, "HOSTNAME=h", "HOME=/h", "A=1"]),
        (["HOME=", "A=1"], False, [PATH, "HOSTNAME=h", "A=1", "HOME=/root"]),
        (["A=b=c"], False, [PATH, "HOSTNAME=h", "A=b=c", "HOME=/root"]),
    ],
)
def test_order(configured: list[str], terminal: bool, expected: list[str]) -> None:
    assert build_environment(configured, hostname="h", terminal=terminal, home="/root") == expected


def test_an_exec_adds_and_removes() -> None:
    found = build_environment(
        ["A=1", "B=2"], hostname="h", terminal=True, home="", extra=["A=9", "B", "TERM=vt100", "C=3"]
    )
    assert found == [PATH, "HOSTNAME=h", "TERM=vt100", "A=9", "C=3", "HOME="]
