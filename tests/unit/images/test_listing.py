from __future__ import annotations

import pytest

from estiba.errors import InvalidArgument
from estiba.images.listing import reference_matches, truth
from estiba.images.removal import is_single
from estiba.oci.reference import parse

D = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("x", "x:1", True),
        ("x:1", "x:1", True),
        ("x*:1", "xyz:1", True),
        ("*", "x:1", True),
        ("*", "a/x:1", False),
        ("*/*", "a/x:1", True),
        ("?", "x:1", True),
        ("[a-c]", "b:1", True),
        ("[^a-c]", "b:1", False),
        ("docker.io/library/x", "x:1", False),
        ("*:latest", "x:latest", True),
        ("\\*", "x:1", False),
        ("localhost:5000/*", "localhost:5000/x:1", True),
    ],
)
def test_patterns(pattern: str, name: str, expected: bool) -> None:
    assert reference_matches(pattern, name) is expected


@pytest.mark.parametrize("pattern", ["[", "[]", "x[z-a]"])
def test_bad_patterns(pattern: str) -> None:
    with pytest.raises(InvalidArgument, match="syntax error in pattern"):
        reference_matches(pattern, "x:1")


def test_truth() -> None:
    assert truth({"dangling": ["1", "true"]}, "dangling") is True
    with pytest.raises(InvalidArgument, match=r"invalid filter 'dangling=\[1 0\]'"):
        truth({"dangling": ["1", "0"]}, "dangling")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], True),
        (["x:1"], True),
        (["x:1", "x:2"], False),
        (["x:1", f"x@{D}"], True),
        (["x:1", f"y@{D}"], False),
        ([f"x@{D}"], True),
    ],
)
def test_single(names: list[str], expected: bool) -> None:
    assert is_single([parse(name) for name in names]) is expected
