"""``create`` sends what Docker's own command sends for the same words, and refuses what that refuses, in its words."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest
from tests.unit.cli.create_cases import CASES, ENVIRONMENT, flat, load, neutral, prepare

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Run
    from tests.unit.cli.recorder import Recorder

RECORDED = load()

# Docker's JSON package has its own words for a broken document
OTHER_WORDS = {"--security-opt seccomp=not.json img"}


def test_every_case_is_recorded() -> None:
    assert set(RECORDED) == set(CASES)


@pytest.mark.parametrize("case", CASES)
def test_same_request_as_docker(
    case: str, estiba: Run, recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("EST_MISSING", raising=False)
    expected = RECORDED[case]
    code, _, err = estiba("create", *shlex.split(case))
    creates = [request for request in recorder.requests if request[1] == "/containers/create"]
    if "error" in expected:
        assert creates == []
        line = err.split("\n")[0].replace("estiba: ", "docker: ").replace(str(tmp_path), "CWD")
        if case not in OTHER_WORDS:
            assert line == expected["error"]
    else:
        assert err == expected["warnings"]
        assert flat(neutral(creates[0][3], str(tmp_path))) == expected["body"]
        assert creates[0][2] == expected["query"]
    assert code == expected["code"]
