"""Every command asks the engine for what Docker's own command asks for, in the same order."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

import pytest
from tests.unit.cli.recorder import Recorder
from tests.unit.cli.request_cases import CASES, RECORD, REPLIES, neutral, prepare

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.cli.conftest import Run

RECORDED = json.loads(RECORD.read_text())

# where we ask less
FEWER = {
    "run -d img": "a detached run has nobody to wait for",
    "network rm n": "there is no swarm ingress network to be careful with",
    "network rm -f n": "the same",
}

# several names are worked on at once: in any order
SIDE_BY_SIDE = {"volume rm -f v w"}


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder(REPLIES)
    yield recorder
    recorder.close()


@pytest.mark.parametrize("case", CASES)
def test_same_requests_as_docker(
    case: str, estiba: Run, recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    estiba(*shlex.split(case))
    asked = neutral(recorder.requests)
    if case in FEWER:
        assert len(asked) < len(RECORDED[case])
        assert all(request in RECORDED[case] for request in asked)
    elif case in SIDE_BY_SIDE:
        assert sorted(map(json.dumps, asked)) == sorted(map(json.dumps, RECORDED[case]))
    else:
        assert asked == RECORDED[case]
