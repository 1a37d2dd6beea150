"""Records of extended headers and decimal times."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from estiba.images.pax import format_records, format_time, parse_records, parse_time, xattr_key, xattr_name

KEYS = st.binary(min_size=1, max_size=40).filter(lambda key: b"=" not in key)


@settings(deadline=None)
@given(st.lists(st.tuples(KEYS, st.binary(max_size=2000)), max_size=10))
def test_records_round_trip(records: list[tuple[bytes, bytes]]) -> None:
    assert parse_records(format_records(records)) == records


@pytest.mark.parametrize("size", [89, 90, 91, 92, 989, 990, 991, 992, 993, 9988, 9989, 9990, 9991])
def test_lengths_that_count_their_own_digits(size: int) -> None:
    [record] = parse_records(format_records([(b"k", b"v" * size)]))
    assert len(record[1]) == size


@settings(deadline=None)
@given(st.integers(-(10**18), 10**19))
def test_times_round_trip(nanoseconds: int) -> None:
    assert parse_time(format_time(nanoseconds)) == nanoseconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"1", 10**9),
        (b"1.", 10**9),
        (b"0.1", 10**8),
        (b".5", 5 * 10**8),
        (b"1.1234567899", 1_123_456_789),
        (b"-0.0000000001", -1),
    ],
)
def test_times(text: bytes, expected: int) -> None:
    assert parse_time(text) == expected


@pytest.mark.parametrize("text", [b"", b".", b"-", b"1e5", b"+1", b"1.-5", b" 1", b"0x1", b"1" * 30, b"--1"])
def test_what_is_no_time(text: bytes) -> None:
    with pytest.raises(ValueError, match="time"):
        parse_time(text)


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=60))
def test_attribute_names_round_trip(name: bytes) -> None:
    assert b"=" not in xattr_key(name)
    assert xattr_name(xattr_key(name)) == name
