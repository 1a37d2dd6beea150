"""The loop: descriptors, timers, callbacks that fail."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from estiba.engine.loop import Loop

if TYPE_CHECKING:
    from collections.abc import Iterator

DEADLINE = 5


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    loop.start()
    yield loop
    loop.close()


def test_a_ready_descriptor_calls_back_until_forgotten(loop: Loop) -> None:
    ours, theirs = socket.socketpair()
    got: list[bytes] = []
    arrived = threading.Event()

    def read() -> None:
        got.append(ours.recv(10))
        arrived.set()

    loop.watch(ours.fileno(), read)
    theirs.send(b"1")
    assert arrived.wait(DEADLINE)
    loop.forget(ours.fileno())
    loop.forget(ours.fileno())
    theirs.send(b"2")
    time.sleep(0.05)
    assert got == [b"1"]
    ours.close()
    theirs.close()


def test_timers_fire_in_order_and_not_when_cancelled(loop: Loop) -> None:
    fired: list[str] = []
    done = threading.Event()
    loop.call_later(0.06, done.set)
    loop.call_later(0.04, lambda: fired.append("b"))
    loop.call_later(0.02, lambda: fired.append("a"))
    loop.call_later(0.03, lambda: fired.append("no")).cancel()
    assert done.wait(DEADLINE)
    assert fired == ["a", "b"]


def test_a_timer_set_by_a_callback_fires(loop: Loop) -> None:
    done = threading.Event()
    loop.call_later(0, lambda: loop.call_later(0.01, done.set))
    assert done.wait(DEADLINE)


def test_a_timer_far_away_does_no_harm(loop: Loop) -> None:
    done = threading.Event()
    loop.call_later(1e30, done.set).cancel()
    loop.call_later(40 * 86400, lambda: None)  # more than epoll_wait(2) can wait at once
    loop.call_later(0.01, lambda: loop.call_later(0.01, done.set))
    assert done.wait(DEADLINE)


def test_a_failing_callback_is_logged_and_the_loop_goes_on(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    done = threading.Event()

    def fail() -> None:
        raise ValueError("broken")

    with caplog.at_level(logging.ERROR):
        loop.call_later(0, fail)
        loop.call_later(0.01, done.set)
        assert done.wait(DEADLINE)
    assert "broken" in caplog.text


def test_closing_leaves_no_descriptor_and_no_thread() -> None:
    before = set(os.listdir("/proc/self/fd"))
    loop = Loop()
    loop.start()
    loop.call_later(60, lambda: None)
    loop.close()
    assert set(os.listdir("/proc/self/fd")) == before
    assert not any(thread.name == "estiba-loop" for thread in threading.enumerate())
