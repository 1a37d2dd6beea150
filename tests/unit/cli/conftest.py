"""Running the command in this process against a Recorder."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.unit.cli.recorder import Recorder

from estiba.cli import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    yield recorder
    recorder.close()


@pytest.fixture
def estiba(recorder: Recorder, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """``estiba("ps", "-a")`` → (exit code, stdout, stderr)."""
    monkeypatch.setenv("ESTIBA_HOST", recorder.host)
    monkeypatch.setenv("DOCKER_CONFIG", recorder.directory)
    monkeypatch.delenv("DOCKER_API_VERSION", raising=False)

    def run(*words: str) -> tuple[int, str, str]:
        code = main(words)
        out, err = capfd.readouterr()
        return code, out, err

    return run
