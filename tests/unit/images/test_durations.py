from __future__ import annotations

import time

import pytest

from estiba.errors import InvalidArgument
from estiba.images.durations import format_time, parse_duration, parse_moment, parse_time

S = 1_000_000_000


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("0", 0),
        ("1s", S),
        ("1h30m", 5400 * S),
        ("1.5s", 3 * S // 2),
        ("100ms", S // 10),
        ("-2m", -120 * S),
        ("1us", 1000),
        (".5s", S // 2),
    ],
)
def test_durations(text: str, ns: int) -> None:
    assert parse_duration(text) == ns


@pytest.mark.parametrize("text", ["", "1", "s", "1x", "1s ", "1d", "--1s", "1e3s"])
def test_no_durations(text: str) -> None:
    with pytest.raises(InvalidArgument, match="time: invalid duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:01Z", S),
        ("1970-01-01T00:00:00.000000001Z", 1),
        ("2026-11-24T11:33:50.690157272Z", 1795520030_690157272),
        ("1970-01-01T01:00:00+01:00", 0),
        ("0001-01-01T00:00:00Z", -62135596800 * S),
    ],
)
def test_times_there_and_back(text: str, ns: int) -> None:
    assert parse_time(text) == ns
    if text.endswith("Z"):
        assert format_time(ns) == text


def test_moments() -> None:
    now = 1_000_000 * S
    assert parse_moment("10m", now) == now - 600 * S
    assert parse_moment("1234.5") == 1234 * S + S // 2
    assert parse_moment("1970-01-01T00:00:01Z") == S
    assert parse_moment("2020-02-03") == int(time.mktime((2020, 2, 3, 0, 0, 0, 0, 0, -1))) * S
    for bad in ("", "x", "2020-13-01", "2020-02-03T25:00:00Z"):
        with pytest.raises(InvalidArgument):
            parse_moment(bad)
