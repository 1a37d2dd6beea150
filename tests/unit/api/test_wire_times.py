"""Times and durations in Go's forms."""

from __future__ import annotations

import pytest

from estiba.api.wire_images import unix_seconds
from estiba.api.wire_times import human_duration, rfc3339

HOUR, DAY = 3600, 86400


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0001-01-01T00:00:00Z"),
        (1_767_323_045_678_901_234, "2026-01-02T03:04:05.678901234Z"),
        (1_767_323_045_088_031_920, "2026-01-02T03:04:05.08803192Z"),
        (1_767_323_045_000_000_000, "2026-01-02T03:04:05Z"),
        (1_767_323_050_100_000_000, "2026-01-02T03:04:10.1Z"),
    ],
)
def test_rfc3339(nanoseconds: int, text: str) -> None:
    assert rfc3339(nanoseconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "Less than a second"),
        (1.9, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (120, "2 minutes"),
        (3599, "59 minutes"),
        (HOUR, "About an hour"),
        (1.4 * HOUR, "About an hour"),
        (1.5 * HOUR, "2 hours"),
        (47 * HOUR, "47 hours"),
        (2 * DAY, "2 days"),
        (13.9 * DAY, "13 days"),
        (14 * DAY, "2 weeks"),
        (60 * DAY, "2 months"),
        (729 * DAY, "24 months"),
        (731 * DAY, "2 years"),
    ],
)
def test_human_duration(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


def test_unix_seconds() -> None:
    assert unix_seconds("2026-01-02T03:04:05.678901234Z") == 1_767_323_045
    assert unix_seconds("2026-01-02T03:04:05Z") == 1_767_323_045
    assert unix_seconds("2026-01-02T04:04:05.1+01:00") == 1_767_323_045
    assert unix_seconds("0001-01-01T00:00:00Z") == unix_seconds("") == unix_seconds("yesterday") == 0
