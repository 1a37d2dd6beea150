from __future__ import annotations

from pathlib import Path

import pytest

from estiba.errors import InvalidArgument
from estiba.volumes.local import check_subpath
from estiba.volumes.volume import Volume, check_name, check_options, matches, truth

VOLUME = Volume("i", "web-data", Path("/x"), "2026-01-02T03:04:05Z", labels={"a": "1", "b": ""})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a", "create a: volume name is too short, names should be at least two alphanumeric characters"),
        (
            "a b",
            (
                'create a b: "a b" includes invalid characters for a local volume name, '
                'only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. '
                "If you intended to pass a host directory, use absolute path"
            ),
        ),
        ("../x", "includes invalid characters"),
        ("-ab", "includes invalid characters"),
        ("ab\n", "includes invalid characters"),
        ("", "includes invalid characters"),
        ("a" * 256, "too long"),
    ],
)
def test_bad_names(name: str, message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_name(name)
    assert message in caught.value.message


def test_options() -> None:
    check_options("v", {})
    with pytest.raises(InvalidArgument, match='create v: invalid option: "nosuch"'):
        check_options("v", {"nosuch": "1"})
    with pytest.raises(InvalidArgument, match='create v: missing required option: "device"'):
        check_options("v", {"type": "tmpfs"})
    with pytest.raises(InvalidArgument, match="not supported"):
        check_options("v", {"type": "tmpfs", "device": "tmpfs"})


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, True),
        ({"name": ["data"]}, True),
        ({"name": ["^web", "zzz"]}, True),
        ({"name": ["^data"]}, False),
        ({"name": ["["]}, False),
        ({"driver": ["local"]}, True),
        ({"driver": ["loc"]}, False),
        ({"label": ["a", "b="]}, True),
        ({"label": ["a=1", "c"]}, False),
        ({"label!": ["a=2"]}, True),
        ({"label!": ["a"]}, False),
    ],
)
def test_filters(filters: dict[str, list[str]], expected: bool) -> None:
    assert matches(VOLUME, filters) is expected


def test_truth() -> None:
    assert truth({}, "dangling") is None
    assert truth({"dangling": ["true", "1"]}, "dangling") is True
    assert truth({"dangling": ["0"]}, "dangling") is False
    with pytest.raises(InvalidArgument, match=r"invalid filter 'dangling=\[x\]'"):
        truth({"dangling": ["x"]}, "dangling")


@pytest.mark.parametrize("path", ["/a", "..", "a/../../b", "../a"])
def test_subpaths_that_leave(path: str) -> None:
    with pytest.raises(InvalidArgument, match="subpath must be a relative path within the volume"):
        check_subpath(path)


@pytest.mark.parametrize("path", ["", "a", "a/../b", "./a//b"])
def test_subpaths_that_stay(path: str) -> None:
    check_subpath(path)
