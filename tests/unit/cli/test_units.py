"""Sizes, durations and times in Docker's notation."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estiba.cli.clock import parse_instant, seconds, to_api
from estiba.cli.units import bytes_size, human_duration, human_size, parse_duration, parse_memory_swap, parse_size


@pytest.mark.parametrize(
    ("size", "precision", "text"),
    [
        (0, 3, "0B"),
        (999, 3, "999B"),
        (1000, 3, "1kB"),
        (1_982_000, 3, "1.98MB"),
        (1_982_000, 4, "1.982MB"),
        (999_950, 3, "1e+03kB"),
        (5 * 10**15, 4, "5PB"),
        (123_456_789_012, 4, "123.5GB"),
    ],
)
def test_human_size(size: int, precision: int, text: str) -> None:
    assert human_size(size, precision) == text


def test_bytes_size() -> None:
    assert [bytes_size(size) for size in (0, 1023, 1024, 368 * 1024, 25_276_000_000)] == [
        "0B",
        "1023B",
        "1KiB",
        "368KiB",
        "23.54GiB",
    ]


@pytest.mark.parametrize(
    ("elapsed", "text"),
    [
        (0.9, "Less than a second"),
        (1, "1 second"),
        (59.9, "59 seconds"),
        (60, "About a minute"),
        (119, "About a minute"),
        (120, "2 minutes"),
        (59 * 60 + 59, "59 minutes"),
        (3600, "About an hour"),
        (5400, "2 hours"),
        (47 * 3600, "47 hours"),
        (48 * 3600, "2 days"),
        (13 * 86400, "13 days"),
        (14 * 86400, "2 weeks"),
        (59 * 86400, "8 weeks"),
        (60 * 86400, "2 months"),
        (729 * 86400, "24 months"),
        (730 * 86400, "2 years"),
    ],
)
def test_human_duration(elapsed: float, text: str) -> None:
    assert human_duration(elapsed) == text


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("64m", 64 << 20), ("64MB", 64 << 20), ("1.5GiB", 3 << 29), ("2 kb", 2048), ("7b", 7), ("1p", 1 << 50)],
)
def test_parse_size(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "x", "-1", "1xb", "1kbb", "1 2", "1k2", "--1", "1_0"])
def test_parse_size_refuses(text: str) -> None:
    with pytest.raises(ValueError, match=r"invalid|strconv"):
        parse_size(text)


def test_memory_swap_knows_unlimited() -> None:
    assert (parse_memory_swap("-1"), parse_memory_swap("1k")) == (-1, 1024)


@given(st.integers(0, 1 << 50))
def test_plain_numbers_are_bytes(size: int) -> None:
    assert parse_size(str(size)) == size


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("1s", 10**9),
        ("1m30s", 90 * 10**9),
        ("1.5h", 5400 * 10**9),
        ("-2ms", -2 * 10**6),
        ("1us1ns", 1001),
        (".5s", 5 * 10**8),
    ],
)
def test_parse_duration(text: str, nanoseconds: int) -> None:
    assert parse_duration(text) == nanoseconds


@pytest.mark.parametrize("text", ["", "5", "5y", "s", "-", "1..s", "1s2"])
def test_parse_duration_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="time: "):
        parse_duration(text)


@given(st.datetimes(timezones=st.just(datetime.UTC)))
def test_instants_are_those_of_datetime(aware: datetime.datetime) -> None:
    expected = (aware.replace(microsecond=0) - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)).total_seconds()
    assert parse_instant(aware.isoformat().replace("+00:00", "Z")) == (int(expected), aware.microsecond * 1000)


def test_instants_with_zones() -> None:
    assert parse_instant("2024-01-01T02:00:00+02:00") == parse_instant("2024-01-01T00:00:00Z")
    assert parse_instant("2024-01-01T00:00:00.5-01:30") == (parse_instant("2024-01-01T01:30:00Z")[0], 500_000_000)
    assert seconds("0001-01-01T00:00:00Z") < 0


def test_to_api() -> None:
    assert to_api("1700000000") == "1700000000"
    assert to_api("1700000000.5") == "1700000000.5"
    assert to_api("2023-11-14T22:13:20Z") == "1700000000.000000000"
    assert to_api("0") == "0"
    assert int(to_api("1h")) < int(to_api("1s"))
    for text in ("x", "2023-99-99", "1x", ""):
        with pytest.raises(ValueError, match="failed to parse"):
            to_api(text)
