"""Names of containers and of signals."""

from __future__ import annotations

import signal

import pytest

from estiba.engine.request.names import QUALITIES, THINGS, check_container_name, random_name
from estiba.engine.signals import parse_signal, signal_number
from estiba.errors import InvalidArgument


@pytest.mark.parametrize("name", ["ab", "A1", "0.-_", "x" * 300])
def test_names_that_may_be(name: str) -> None:
    check_container_name(name)


@pytest.mark.parametrize("name", ["a", "", "a b", "-a", ".a", "_a", "a/b", "/a b", "ä1", "ab\n", "a:b"])
def test_names_that_may_not_be(name: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_container_name(name)
    assert caught.value.message == f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"


def test_random_names_are_valid_and_many() -> None:
    assert len(set(QUALITIES)) == len(QUALITIES) >= 100
    assert len(set(THINGS)) == len(THINGS) >= 100
    for word in (*QUALITIES, *THINGS):
        assert word.isascii()
        assert word.isalpha()
        assert word.islower()
    names = {random_name() for _ in range(200)}
    assert len(names) > 150
    for name in names:
        check_container_name(name)
        quality, _, thing = name.partition("_")
        assert quality in QUALITIES
        assert thing in THINGS


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("9", 9),
        ("KILL", 9),
        ("SIGKILL", 9),
        ("sigterm", 15),
        ("hup", signal.SIGHUP),
        ("RTMIN", 34),
        ("SIGRTMIN+3", 37),
        ("rtmin+15", 49),
        ("RTMAX", 64),
        ("rtmax-1", 63),
        ("SIGRTMAX-14", 50),
        ("64", 64),
        ("CHLD", signal.SIGCHLD),
    ],
)
def test_signals(text: str, number: int) -> None:
    assert parse_signal(text) == number


@pytest.mark.parametrize("text", ["NOSUCH", "sigfoo", "0", "65", "-1", "", "SIG", "RTMIN+16", "9x", "٩"])
def test_signals_that_are_none(text: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        parse_signal(text)
    assert caught.value.message == f"invalid signal: {text}"


def test_a_default_signal() -> None:
    assert signal_number("", 15) == 15
    assert signal_number("INT", 15) == 2
