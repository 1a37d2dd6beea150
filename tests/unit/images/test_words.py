from __future__ import annotations

import pytest

from estiba.errors import InvalidArgument
from estiba.images.words import expand, split_words

ENV = {"A": "1", "EMPTY": "", "LONG_name2": "x y"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("  a\tb ", ["a", "b"]),
        ("a='b c' d", ["a='b c'", "d"]),
        ('a="b \\" c" d', ['a="b \\" c"', "d"]),
        ("a\\ b c", ["a\\ b", "c"]),
        ("''", ["''"]),
    ],
)
def test_split(text: str, words: list[str]) -> None:
    assert split_words(text) == words


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("plain", "plain"),
        ("$A${A}$B", "11"),
        ("${LONG_name2}", "x y"),
        ("'$A'", "$A"),
        ('"$A"', "1"),
        ("\\$A\\\\", "$A\\"),
        ('"\\$A \\x \\" \\\\"', '$A \\x " \\'),
        ("${B:-d} ${EMPTY:-d} ${EMPTY-d} ${B-d}", "d d  d"),
        ("${A:+d}${EMPTY:+d}${EMPTY+d}${B+d}", "dd"),
        ("${B:-${A}}", "1"),
        ("${A:?no}", "1"),
        ("$", "$"),
        ("a$/b", "a$/b"),
        ("'a'\"b\"c", "abc"),
    ],
)
def test_expand(word: str, expected: str) -> None:
    assert expand(word, ENV) == expected


@pytest.mark.parametrize(
    "word", ['"a', "'a", "${A", "${", "${}", "${A:", "${A:x}", "${A/x/y}", "${B:?no}", "${EMPTY:?}", "${A:-"]
)
def test_refused(word: str) -> None:
    with pytest.raises(InvalidArgument, match="failed to process"):
        expand(word, ENV)
