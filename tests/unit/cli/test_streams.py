"""Frames, detach keys, and the stream of attach and exec over a real socket."""

from __future__ import annotations

import os
import select
import socket
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from estiba.cli.session import CommandError
from estiba.cli.streams import Demultiplexer, Stream
from estiba.cli.terminal import DEFAULT_DETACH, KeyWatch, parse_keys

if TYPE_CHECKING:
    from collections.abc import Iterator


def frame(kind: int, payload: bytes) -> bytes:
    return bytes([kind, 0, 0, 0]) + len(payload).to_bytes(4, "big") + payload


@pytest.fixture
def pipes() -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    out, err = os.pipe(), os.pipe()
    yield out, err
    for descriptor in (*out, *err):
        os.close(descriptor)


Pipes = tuple[tuple[int, int], tuple[int, int]]


@pytest.mark.parametrize("step", [1, 3, 7, 8, 9, 1000])
def test_frames_in_any_split(step: int, pipes: Pipes) -> None:
    out, err = pipes
    wire = frame(1, b"hello ") + frame(2, b"oh") + frame(1, b"") + frame(1, b"world")
    frames = Demultiplexer(out[1], err[1])
    for start in range(0, len(wire), step):
        frames.feed(wire[start : start + step])
    assert (os.read(out[0], 100), os.read(err[0], 100)) == (b"hello world", b"oh")


def test_unattached_output_is_dropped(pipes: Pipes) -> None:
    _, err = pipes
    Demultiplexer(None, err[1]).feed(frame(1, b"no") + frame(2, b"yes"))
    assert os.read(err[0], 10) == b"yes"


def test_the_engines_own_error(pipes: Pipes) -> None:
    with pytest.raises(CommandError) as raised:
        Demultiplexer(pipes[0][1], pipes[1][1]).feed(frame(3, b"it broke"))
    assert raised.value.message == "error from daemon in stream: it broke"


def test_no_frames_at_all(pipes: Pipes) -> None:
    with pytest.raises(CommandError, match="Unrecognized input header: 104"):
        Demultiplexer(pipes[0][1], pipes[1][1]).feed(b"hello, this is no frame")


@pytest.mark.parametrize(
    ("text", "keys"),
    [("ctrl-p,ctrl-q", DEFAULT_DETACH), ("a,b", b"ab"), ("ctrl-@,ctrl-_", b"\0\x1f"), ("ctrl-A", b"\1")],
)
def test_detach_keys(text: str, keys: bytes) -> None:
    assert parse_keys(text) == keys


@pytest.mark.parametrize("text", ["", "ctrl-", "ctrl-é", "ab", "shift-a"])
def test_detach_keys_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Unknown character"):
        parse_keys(text)


def test_key_watch() -> None:
    watch = KeyWatch(b"\x10\x11")
    assert watch.feed(b"ab\x10") == (b"ab", False)
    assert watch.feed(b"c") == (b"\x10c", False)
    assert watch.feed(b"\x10\x10") == (b"\x10", False)
    assert watch.feed(b"\x11after") == (b"", True)


@given(st.lists(st.binary(max_size=6), max_size=6))
def test_key_watch_loses_nothing(blocks: list[bytes]) -> None:
    watch, passed, detached = KeyWatch(b"ab"), b"", False
    for block in blocks:
        if not detached:
            out, detached = watch.feed(block)
            passed += out
    typed = b"".join(blocks)
    before, found, _ = typed.partition(b"ab")
    assert detached == bool(found)
    assert passed == before if found else passed in (typed, typed.removesuffix(b"a"))


def pump(stream: Stream) -> None:
    poll, known = select.poll(), {}  # type: ignore[var-annotated]
    while not stream.ended:
        stream.register(poll, known)
        for descriptor, events in poll.poll(5000):
            assert stream.handle(descriptor, events)


def test_without_stdin_the_input_is_closed_at_once() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        stream = Stream((ours, b""), tty=True, stdin=False, stdout=False)
        assert theirs.recv(10) == b""
        theirs.shutdown(socket.SHUT_WR)
        pump(stream)
        stream.close()


def test_a_large_stdin_and_output_at_once(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Neither side may wait for the other: the peer sends back what it gets, far more than the buffers hold."""
    import threading

    data = os.urandom(3_000_000)
    ours, theirs = socket.socketpair()
    read_end, write_end = os.pipe()

    def echo() -> None:
        with theirs:
            while block := theirs.recv(65536):
                theirs.sendall(frame(1, block))

    def feed() -> None:
        with os.fdopen(write_end, "wb") as stdin:
            stdin.write(data)

    saved = os.dup(0)
    os.dup2(read_end, 0)
    threads = [threading.Thread(target=work) for work in (echo, feed)]
    try:
        for thread in threads:
            thread.start()
        stream = Stream((ours, b""), tty=False, stdin=True)
        pump(stream)
        stream.close()
    finally:
        os.dup2(saved, 0)
        os.close(saved)
        os.close(read_end)
        for thread in threads:
            thread.join()
    assert capfdbinary.readouterr().out == data
