"""Streams of a program: frames split, lines, ends, time-outs; on a socket pair."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING

import pytest

from estiba.client.process import Demultiplexer, Output, Process, Timeout

if TYPE_CHECKING:
    from collections.abc import Iterator

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def frame(stream: int, data: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


def test_each_stream_gets_its_own_whoever_reads_first(pair: Pair) -> None:
    pair[1].sendall(frame(1, b"out1\n") + frame(2, b"err\n") + frame(1, b"out2\n"))
    pair[1].close()
    source = Demultiplexer(pair[0], framed=True)
    assert Output(source, 2).read() == "err\n"
    assert Output(source, 1).read() == "out1\nout2\n"


def test_a_terminal_has_one_stream(pair: Pair) -> None:
    pair[1].sendall(b"raw\r\n")
    pair[1].close()
    source = Demultiplexer(pair[0], framed=False)
    assert Output(source, 1).read() == "raw\r\n"
    assert Output(source, 2).read() == ""


def test_lines_are_joined_from_pieces_and_the_last_needs_no_newline(pair: Pair) -> None:
    pair[1].sendall(frame(1, b"a") + frame(1, b"b\nc\nd"))
    pair[1].close()
    assert list(Output(Demultiplexer(pair[0], framed=True), 1)) == ["ab\n", "c\n", "d"]


def test_a_frame_that_breaks_off_is_the_end(pair: Pair) -> None:
    pair[1].sendall(frame(1, b"whole\n") + b"\1\0\0\0\0\0\0\x64abc")
    pair[1].close()
    assert Output(Demultiplexer(pair[0], framed=True), 1).read() == "whole\n"


def test_communicate_sends_reads_and_waits(pair: Pair) -> None:
    def program() -> None:
        data = b"".join(iter(lambda: pair[1].recv(100), b""))
        pair[1].sendall(frame(1, data.upper()) + frame(2, b"!"))
        pair[1].close()

    thread = threading.Thread(target=program)
    thread.start()
    process = Process(pair[0], tty=False, stdin=True, wait=lambda _: 7, kill=lambda _: None)
    assert process.communicate("text") == (b"TEXT", b"!")
    thread.join()
    assert process.returncode == 7


def test_a_wait_that_takes_too_long_is_a_timeout(pair: Pair) -> None:
    ended: Future[int] = Future()
    process = Process(pair[0], tty=False, stdin=False, wait=lambda _: None, kill=lambda _: ended.set_result(0))
    with pytest.raises(Timeout, match=r"still runs after 0\.1 s"):
        process.wait(0.1)
    assert process.poll() is None
    process.kill()
    assert ended.done()


def test_one_deadline_holds_for_everything_that_is_read(pair: Pair) -> None:
    ended = threading.Event()

    def chatter() -> None:
        while not ended.wait(0.02):
            try:
                pair[1].sendall(frame(1, b"x\n"))
            except OSError:
                return

    thread = threading.Thread(target=chatter)
    thread.start()
    process = Process(pair[0], tty=False, stdin=False, wait=lambda _: None, kill=lambda _: None)
    began = time.monotonic()
    with pytest.raises(Timeout):
        process.communicate(timeout=0.3)
    assert time.monotonic() - began < 2
    ended.set()
    thread.join()


def test_no_more_is_read_than_asked_for(pair: Pair) -> None:
    pair[1].sendall(frame(1, b"0123456789"))
    pair[1].close()
    output = Output(Demultiplexer(pair[0], framed=True), 1)
    assert (output.read_bytes(4), output.read_bytes(4), output.read_bytes(4), output.read_bytes(4)) == (
        b"0123",
        b"4567",
        b"89",
        b"",
    )


def test_closing_lets_go_of_what_was_made(pair: Pair) -> None:
    closed: list[bool] = []
    with Process(
        pair[0], tty=False, stdin=False, wait=lambda _: 0, kill=lambda _: None, close=lambda: closed.append(True)
    ):
        pass
    assert closed == [True]
    assert pair[0].fileno() == -1
