"""Docker's rules for queries."""

from __future__ import annotations

import pytest

from estiba.api.query import Query, parse_filters
from estiba.errors import InvalidArgument, SystemFailure


@pytest.mark.parametrize("value", ["1", "true", "True", "yes", "x", "2", "on", "%201"])
def test_true(value: str) -> None:
    assert Query(f"a={value}").boolean("a")


@pytest.mark.parametrize("value", ["", "0", "no", "false", "False", "NONE", "%20false%20", "++0"])
def test_false(value: str) -> None:
    assert not Query(f"a={value}").boolean("a", default=True)


def test_absent_is_the_default() -> None:
    assert Query("b=1").boolean("a", default=True)
    assert not Query("").boolean("a")


def test_both_forms_of_filters() -> None:
    expected = {"label": ["a=b", "c"]}
    assert parse_filters('{"label":["a=b","c"]}') == expected
    assert parse_filters('{"label":{"a=b":true,"c":false}}') == expected
    assert parse_filters("") == parse_filters("null") == parse_filters("{}") == {}


@pytest.mark.parametrize(
    "text", ["abc", "[]", '{"a":"b"}', '{"a":[1]}', '{"a":{"b":1}}', '{"a":["b"],"c":{"d":true}}', "{"]
)
def test_what_is_no_filter(text: str) -> None:
    with pytest.raises(InvalidArgument, match=r"^invalid filter$"):
        parse_filters(text)


def test_moments() -> None:
    assert Query("t=10").moment("t") == 10_000_000_000
    assert Query("t=10.5").moment("t") == 10_500_000_000
    assert Query("t=1795517104.000000001").moment("t") == 1_795_517_104_000_000_001
    assert Query("").moment("t") is None
    with pytest.raises(SystemFailure, match=r'strconv.ParseInt: parsing "10m": invalid syntax'):
        Query("t=10m").moment("t")


def test_integers() -> None:
    assert Query("n=-5").integer("n") == -5
    assert Query("n=").integer("n") is None
    with pytest.raises(SystemFailure, match=r'strconv.Atoi: parsing "a": invalid syntax'):
        Query("n=a").integer("n")
    with pytest.raises(SystemFailure, match=r"value out of range"):
        Query("n=99999999999999999999").integer("n")
    assert Query("n=x").lenient_integer("n", -1) == -1


def test_escapes() -> None:
    assert Query("a=b+c%2B%C3%BC&a=second").text("a") == "b c+ü"
    assert Query("a=1&a=2").texts("a") == ["1", "2"]
    with pytest.raises(InvalidArgument, match=r'invalid URL escape "%zz"'):
        Query("a=%zz").text("a")
    with pytest.raises(InvalidArgument, match=r"invalid semicolon separator in query"):
        Query("a=1;b").text("a")
