"""Waits, expected ends, restart rules, detach keys."""

from __future__ import annotations

import signal

import pytest

from estiba.engine.attachments import parse_detach_keys
from estiba.engine.config import RestartPolicy
from estiba.engine.loop import Loop
from estiba.engine.restarts import FIRST_DELAY, LONGEST_DELAY, Restarts, wants_restart, wants_start_with_engine
from estiba.engine.waiting import ExpectedEnd, ExpectedEnds, Waiters, WaitResult, exit_code


def test_only_the_condition_that_came_true_is_answered() -> None:
    waiters = Waiters()
    exits, removal = waiters.add("c", "next-exit"), waiters.add("c", "removed")
    waiters.answer("c", ("not-running", "next-exit"), WaitResult(3))
    assert exits.result(0) == WaitResult(3)
    assert not removal.done()
    waiters.answer("c", ("removed",), WaitResult(0))
    assert removal.result(0).exit_code == 0


def test_a_cancelled_wait_harms_nobody() -> None:
    waiters = Waiters()
    cancelled, other = waiters.add("c", "next-exit"), waiters.add("c", "next-exit")
    assert cancelled.cancel()
    waiters.answer("c", ("next-exit",), WaitResult(1))
    assert other.result(0).exit_code == 1


def test_an_expected_end_is_taken_once() -> None:
    ends = ExpectedEnds()
    ends.expect("c", ExpectedEnd(stop=True))
    assert ends.take("c") == ExpectedEnd(stop=True)
    assert ends.take("c") is None


@pytest.mark.parametrize(("status", "code"), [(0, 0), (3 << 8, 3), (signal.SIGKILL, 137), (signal.SIGSEGV | 128, 139)])
def test_exit_codes_are_dockers(status: int, code: int) -> None:
    assert exit_code(status) == code


@pytest.mark.parametrize(
    ("name", "most", "code", "count", "stopped", "restarts"),
    [
        ("no", 0, 1, 0, False, False),
        ("", 0, 1, 0, False, False),
        ("always", 0, 0, 99, False, True),
        ("always", 0, 0, 0, True, False),
        ("unless-stopped", 0, 0, 0, False, True),
        ("on-failure", 0, 0, 0, False, False),
        ("on-failure", 0, 1, 99, False, True),
        ("on-failure", 2, 1, 1, False, True),
        ("on-failure", 2, 1, 2, False, False),
    ],
)
def test_restart_policies(name: str, most: int, code: int, count: int, stopped: bool, restarts: bool) -> None:
    policy = RestartPolicy(name=name, maximum_retry_count=most)
    assert wants_restart(policy, code, count, stopped_by_user=stopped) is restarts


@pytest.mark.parametrize(
    ("name", "stopped", "starts"),
    [
        ("always", True, True),
        ("unless-stopped", False, True),
        ("unless-stopped", True, False),
        ("on-failure", False, False),
    ],
)
def test_what_a_new_engine_starts(name: str, stopped: bool, starts: bool) -> None:
    assert wants_start_with_engine(RestartPolicy(name=name), stopped_by_user=stopped) is starts


def test_delays_double_up_to_a_minute_and_begin_anew_after_steady_running() -> None:
    restarts = Restarts(Loop())
    delays = [restarts.delay("c", 0.1) for _ in range(12)]
    assert delays[:4] == [FIRST_DELAY, FIRST_DELAY * 2, FIRST_DELAY * 4, FIRST_DELAY * 8]
    assert delays[-1] == LONGEST_DELAY
    assert restarts.delay("c", 11) == FIRST_DELAY
    restarts.forget("c")
    assert restarts.delay("c", 0.1) == FIRST_DELAY


@pytest.mark.parametrize(
    ("keys", "expected"),
    [("", b"\x10\x11"), ("ctrl-a", b"\x01"), ("a,ctrl-\\", b"a\x1c"), ("ctrl-@", b"\0"), ("ctrl-_,x", b"\x1fx")],
)
def test_detach_keys(keys: str, expected: bytes) -> None:
    assert parse_detach_keys(keys) == expected


@pytest.mark.parametrize("keys", ["ctrl-", "ctrl-A1", "abc", "a,,b", "ctrl-!"])
def test_wrong_detach_keys_name_themselves(keys: str) -> None:
    with pytest.raises(ValueError, match=r"^$|ctrl|abc"):
        parse_detach_keys(keys)
