"""Flags are read as Docker's users type them."""

from __future__ import annotations

import pytest

from estiba.cli.flags import BOOL, FILTER, INT, LIST, TEXT, Command, Flag, UsageError, filters, parse

COMMAND = Command(
    "x [OPTIONS] NAME",
    "",
    (
        Flag("all", "a", BOOL),
        Flag("proxy", "", BOOL, default=True),
        Flag("env", "e", LIST),
        Flag("name", "n", TEXT),
        Flag("count", "c", INT),
        Flag("filter", "f", FILTER),
    ),
)
STRICT = Command("run IMAGE ARG...", "", COMMAND.flags, mixed=False)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-a", {"all": True}),
        ("--all=false --proxy=false", {"all": False, "proxy": False}),
        ("-a=false", {"all": False}),
        ("-e A=1 --env B=2 --env=C=3 -eD", {"env": ["A=1", "B=2", "C=3", "D"]}),
        ("-n x", {"name": "x"}),
        ("-n=x", {"name": "x"}),
        ("--name -x", {"name": "-x"}),
        ("-n --", {"name": "--"}),
        ("-ae A", {"all": True, "env": ["A"]}),
        ("-c -5", {"count": -5}),
        ("-c 0x10", {"count": 16}),
        ("-c 010", {"count": 8}),
    ],
)
def test_values(line: str, expected: dict[str, object]) -> None:
    options, arguments = parse(COMMAND, line.split())
    assert {name: options.values[name] for name in expected} == expected
    assert options.given == set(expected)
    assert arguments == []


def test_flags_after_arguments() -> None:
    assert parse(COMMAND, ["one", "-a", "two", "--", "-a"])[1] == ["one", "two", "-a"]
    options, arguments = parse(STRICT, ["-a", "img", "-a", "--name", "x"])
    assert arguments == ["img", "-a", "--name", "x"]
    assert options.given == {"all"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--nosuch", "unknown flag: --nosuch"),
        ("--nosuch=1", "unknown flag: --nosuch"),
        ("-ax", "unknown shorthand flag: 'x' in -ax"),
        ("--name", "flag needs an argument: --name"),
        ("-an", "flag needs an argument: 'n' in -an"),
        ("--=x", "bad flag syntax: --=x"),
        ("---x", "bad flag syntax: ---x"),
        ("-c x", 'invalid argument "x" for "-c, --count" flag: strconv.ParseInt: parsing "x": invalid syntax'),
        ("-f x", 'invalid argument "x" for "-f, --filter" flag: bad format of filter (expected name=value)'),
    ],
)
def test_refuses(line: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse(COMMAND, line.split())
    assert (raised.value.message, raised.value.code) == (message, 125)


@pytest.mark.parametrize(
    ("least", "most", "count", "words"),
    [
        (0, 0, 1, "accepts no arguments"),
        (1, None, 0, "requires at least 1 argument"),
        (2, None, 1, "requires at least 2 arguments"),
        (2, 2, 1, "requires 2 arguments"),
        (1, 1, 2, "requires 1 argument"),
        (0, 1, 2, "requires at most 1 argument"),
        (1, 2, 3, "requires at least 1 and at most 2 arguments"),
    ],
)
def test_counts(least: int, most: int | None, count: int, words: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse(Command("x", "", least=least, most=most), ["a"] * count)
    assert raised.value.message.endswith(words)
    assert raised.value.code == 1


def test_filters_are_the_apis_json() -> None:
    options, _ = parse(COMMAND, ["-f", "label=b=c", "-f", "Status = running", "-f", "label=a", "-f", ""])
    assert filters(options) == '{"label":{"a":true,"b=c":true},"status":{"running":true}}'
    assert filters(parse(COMMAND, [])[0]) is None


def test_help_is_asked_for() -> None:
    for word in ("--help", "-h"):
        assert parse(Command("x", "", least=3), [word])[0].on("help")
