"""Expressions that clients bring: what they match, and that none takes long."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estiba.images.listing import reference_matches
from estiba.patterns import compiled, is_found


@pytest.mark.parametrize(
    ("expression", "text", "found"),
    [
        ("web", "my-web-1", True),
        ("^web", "my-web-1", False),
        ("^/?my", "/my-web", True),
        ("a|b$", "xxb", True),
        ("[", "[", True),  # no expression, but the very text
        ("[", "x[", False),
        ("(?=a)", "a", False),  # RE2 has no lookahead
        (r"(.)\1", "aa", False),
        ("(?i)ABC", "abc", True),
        ("", "anything", True),
    ],
)
def test_what_is_found(expression: str, text: str, found: bool) -> None:
    assert is_found(expression, (text,)) is found


@pytest.mark.parametrize("expression", ["(a+)+$", "(a|aa)+$", "(.*)*x", "(a?){50}a{50}b"])
def test_nothing_takes_long(expression: str) -> None:
    began = time.monotonic()
    assert not is_found(expression, ("a" * 5000 + "!",))
    assert time.monotonic() - began < 1


def test_stars_of_references_take_no_long_either() -> None:
    began = time.monotonic()
    assert not reference_matches("*a" * 40 + "b", "a" * 200)
    assert time.monotonic() - began < 1
    assert reference_matches("*/a?[b-d]*", "x/azcq")


def test_what_is_no_expression() -> None:
    with pytest.raises(ValueError, match="invalid regular expression"):
        compiled("(")
    with pytest.raises(ValueError, match="invalid regular expression"):
        compiled("a" * 10 + "{1000}{1000}")


@given(st.text("ab.*?|()[]^$", max_size=12), st.text("ab.", max_size=20))
def test_as_the_standard_library_says(expression: str, text: str) -> None:
    try:
        theirs = re.compile(expression)
        ours = compiled(expression)
    except (ValueError, re.error, FutureWarning):
        return
    assert bool(ours.search(text)) == bool(theirs.search(text))
