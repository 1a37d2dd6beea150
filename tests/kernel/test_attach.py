"""Attached clients, row by row of the table in native/README.md (Docker's rules, measured)."""

from __future__ import annotations

import errno
import hashlib
import os
import select
import signal
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest
from tests.support.shims import (
    DEADLINE,
    Bench,
    bench,
    frames,
    next_events,
    read_all,
    read_until,
    wait_event,
    wait_exit,
)

from estiba.errors import Conflict
from estiba.runtime.monitor import Detached, Exited

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from estiba.runtime.monitor import Shim

KEYS = b"\x10\x11"
ECHO = ("sh", "-c", "while read line; do echo got $line; done; echo end of stdin")


@pytest.fixture
def b(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as made:
        yield made


def stays_open(client: socket.socket) -> bool:
    return not select.select([client], [], [], 0.15)[0]


class Receiver:
    """Reads a client's stream to its end, beside the test."""

    def __init__(self, client: socket.socket) -> None:
        self._client = client
        self._data = b""
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self._data = read_all(self._client)

    def data(self) -> bytes:
        """All of it."""
        self._thread.join()
        return self._data


def is_alive(shim: Shim) -> bool:
    return shim.state().state == "running"


def test_what_is_attached_before_the_start_sees_the_first_byte(b: Bench) -> None:
    ours, attachment = b.client(stdin=False)
    shim = b.run("sh", "-c", "echo out; sleep 0.05; echo err >&2; sleep 0.05; printf tail", attachments=[attachment])
    wait_exit(shim)
    assert frames(read_all(ours)) == [(1, b"out\n"), (2, b"err\n"), (1, b"tail")]


def test_streams_can_be_chosen(b: Bench) -> None:
    only_out, first = b.client(stderr=False)
    only_err, second = b.client(stdout=False, framed=False)
    shim = b.run("sh", "-c", "echo out; echo err >&2", attachments=[first, second])
    wait_exit(shim)
    assert frames(read_all(only_out)) == [(1, b"out\n")]
    assert read_all(only_err) == b"err\n"


# half-close: the table of native/README.md


def test_half_close_without_stdin_means_nothing(b: Bench) -> None:
    ours, attachment = b.client(stdin=False)
    shim = b.run(*ECHO, stdin=True, once=True)
    ours.shutdown(socket.SHUT_WR)
    shim.attach(attachment)
    assert stays_open(ours)
    feeder, attachment = b.client(stdout=False, stderr=False)
    shim.attach(attachment)
    feeder.sendall(b"hello\n")
    feeder.shutdown(socket.SHUT_WR)
    wait_exit(shim)
    assert frames(read_all(ours)) == [(1, b"got hello\nend of stdin\n")]


def test_half_close_of_a_program_without_stdin_means_nothing(b: Bench) -> None:
    ours, attachment = b.client()
    ours.shutdown(socket.SHUT_WR)
    shim = b.run("sh", "-c", "sleep 0.2; echo later", attachments=[attachment])
    wait_exit(shim)
    assert frames(read_all(ours)) == [(1, b"later\n")]


def test_half_close_with_stdin_once_closes_the_programs_stdin(b: Bench) -> None:
    ours, attachment = b.client()
    shim = b.run(*ECHO, stdin=True, once=True, attachments=[attachment])
    ours.sendall(b"a\nb\n")
    ours.shutdown(socket.SHUT_WR)
    wait_exit(shim)
    assert frames(read_all(ours)) == [(1, b"got a\ngot b\nend of stdin\n")]


def test_half_close_with_stdin_that_stays_open_ends_the_attachment(b: Bench) -> None:
    ours, attachment = b.client()
    shim = b.run(*ECHO, stdin=True, once=False, attachments=[attachment])
    ours.sendall(b"a\n")
    ours.shutdown(socket.SHUT_WR)
    read_all(ours)
    assert wait_event(shim, (Detached, Exited)) == Detached(2, False)
    assert is_alive(shim)
    again, attachment = b.client()
    shim.attach(attachment)
    again.sendall(b"b\n")
    read_until(again, b"got b\n")
    assert b.log_text().count("got a") == 1
    shim.close_stdin()
    wait_exit(shim)
    assert frames(read_all(again)) == [(1, b"end of stdin\n")]


def test_half_close_on_a_terminal_ends_the_attachment(b: Bench) -> None:
    ours, attachment = b.client(framed=False)
    shim = b.run(
        "sh", "-c", "read a; echo got $a; sleep 100", stdin=True, once=True, terminal=True, attachments=[attachment]
    )
    ours.sendall(b"x\n")
    read_until(ours, b"got x\r\n")
    ours.shutdown(socket.SHUT_WR)
    assert read_all(ours) == b""
    assert wait_event(shim, (Detached, Exited)) == Detached(2, False)
    assert is_alive(shim)


def test_a_hang_up_ends_the_attachment_only(b: Bench) -> None:
    ours, attachment = b.client(stdin=False)
    shim = b.run("sleep", "100", attachments=[attachment])
    ours.close()
    assert wait_event(shim, (Detached, Exited)) == Detached(2, False)
    assert is_alive(shim)


def test_what_was_sent_before_a_hang_up_arrives(b: Bench) -> None:
    ours, attachment = b.client()
    data = os.urandom(100_000).hex().encode() + b"\n"
    shim = b.run("sh", "-c", "sleep 0.2; md5sum", stdin=True, once=True, attachments=[attachment])

    def send() -> None:
        ours.sendall(data)
        ours.close()

    sender = threading.Thread(target=send)
    sender.start()
    wait_exit(shim)
    sender.join()
    assert hashlib.md5(data).hexdigest() in b.log_text()


def test_stdin_sent_with_the_request_comes_first(b: Bench) -> None:
    ours, attachment = b.client(first=b"first line\nand ")
    shim = b.run("cat", stdin=True, once=True, attachments=[attachment])
    ours.sendall(b"second\n")
    ours.shutdown(socket.SHUT_WR)
    wait_exit(shim)
    assert frames(read_all(ours)) == [(1, b"first line\nand second\n")]


def test_a_program_that_closes_its_stdin_does_not_block_the_client(b: Bench) -> None:
    ours, attachment = b.client()
    shim = b.run(
        "sh", "-c", "exec <&-; echo closed; read x; sleep 100", stdin=True, once=True, attachments=[attachment]
    )
    read_until(ours, b"closed")
    ours.sendall(bytes(3_000_000))
    shim.signal(signal.SIGKILL)
    wait_exit(shim)
    assert read_all(ours) == b""


def test_a_client_with_unread_stdin_still_gets_all_output(b: Bench) -> None:
    ours, attachment = b.client()
    shim = b.run("sh", "-c", "sleep 0.1; echo bye", stdin=True, once=True, attachments=[attachment])
    ours.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            ours.send(bytes(65536))
    ours.settimeout(DEADLINE)
    wait_exit(shim)
    assert frames(read_all(ours)) == [(1, b"bye\n")]


# volume and slowness


def test_100_megabytes_through_both_streams(b: Bench) -> None:
    ours, attachment = b.client()
    shim = b.run("cat", stdin=True, once=True, no_log=True, attachments=[attachment])
    block = os.urandom(1 << 20)
    sent, received = hashlib.sha256(), hashlib.sha256()

    def send() -> None:
        for number in range(100):
            part = block[number:] + block[:number]
            sent.update(part)
            ours.sendall(part)
        ours.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    total, stream = 0, ours.makefile("rb", 1 << 20)
    while total < 100 << 20:
        head = stream.read(8)
        assert head[:4] == b"\x01\0\0\0"
        part = stream.read(int.from_bytes(head[4:], "big"))
        received.update(part)
        total += len(part)
    sender.join()
    wait_exit(shim)
    assert stream.read() == b""
    stream.close()
    assert sent.digest() == received.digest()


def test_two_clients_get_the_same(b: Bench) -> None:
    pairs = [b.client(stdin=False) for _ in range(2)]
    shim = b.run("sh", "-c", "seq 1 100000; seq 1 1000 >&2", no_log=True, attachments=[pair[1] for pair in pairs])
    receivers = [Receiver(pair[0]) for pair in pairs]
    wait_exit(shim)
    results = [receiver.data() for receiver in receivers]
    assert results[0] == results[1]
    texts = dict.fromkeys((1, 2), b"")
    for stream, text in frames(results[0]):
        texts[stream] += text
    assert texts[1] == b"".join(b"%d\n" % i for i in range(1, 100001))
    assert texts[2] == b"".join(b"%d\n" % i for i in range(1, 1001))


def test_a_slow_client_stalls_the_program_until_it_reads(b: Bench) -> None:
    ours, attachment = b.client(stdin=False, framed=False)
    shim = b.run("sh", "-c", "dd if=/dev/zero bs=65536 count=160 2>/dev/null; echo done", attachments=[attachment])
    with pytest.raises(TimeoutError):
        next_events(shim, 0.4)
    assert b.log_text().count('"log"') < 640, "about 3 MiB are under way at most"
    receiver = Receiver(ours)
    wait_exit(shim)
    assert receiver.data() == bytes(160 * 65536) + b"done\n"


def test_a_client_that_never_reads_does_not_delay_the_exit(b: Bench) -> None:
    ours, attachment = b.client(stdin=False)
    shim = b.run("sh", "-c", "dd if=/dev/zero bs=65536 count=40 2>/dev/null", attachments=[attachment])
    with pytest.raises(TimeoutError):
        next_events(shim, 0.3)
    shim.signal(signal.SIGKILL)
    asked = time.monotonic()
    wait_exit(shim)
    assert time.monotonic() - asked < 5
    assert sum(len(text) for _, text in frames(read_all(ours))) >= 1 << 20


def test_a_dead_slow_client_lets_the_program_go_on(b: Bench) -> None:
    ours, attachment = b.client(stdin=False)
    shim = b.run("sh", "-c", "dd if=/dev/zero bs=65536 count=100 2>/dev/null", attachments=[attachment])
    with pytest.raises(TimeoutError):
        next_events(shim, 0.3)
    ours.close()
    assert wait_exit(shim).wait_status == 0


def test_output_is_complete_however_fast_the_program_ends(b: Bench) -> None:
    for _ in range(20):
        ours, attachment = b.client(stdin=False)
        shim = b.run("sh", "-c", "seq 1 20000", attachments=[attachment], no_log=True)
        receiver = Receiver(ours)
        wait_exit(shim)
        assert frames(receiver.data()) == [(1, b"".join(b"%d\n" % i for i in range(1, 20001)))]


def test_clients_are_hung_up_on_when_the_engine_has_taken_note(b: Bench) -> None:
    ours, attachment = b.client(stdin=False)
    shim = b.run("echo", "x", attachments=[attachment])
    wait_event(shim, Exited)
    read_until(ours, b"x\n")
    assert stays_open(ours)
    shim.close()
    assert ours.recv(1) == b""


def test_clients_are_hung_up_on_at_last_though_the_engine_does_nothing(b: Bench) -> None:
    ours, attachment = b.client(stdin=False)
    b.run("echo", "x", attachments=[attachment])
    assert frames(read_all(ours)) == [(1, b"x\n")]


# detach keys


def test_detach_keys_split_over_reads(b: Bench) -> None:
    ours, attachment = b.client(framed=False, detach_keys=KEYS)
    shim = b.run("sh", "-c", "stty -echo raw; echo ready; cat", stdin=True, terminal=True, attachments=[attachment])
    read_until(ours, b"ready")
    ours.sendall(b"abc\x10")
    read_until(ours, b"abc")
    ours.sendall(b"\x11never")
    assert read_all(ours) == b""
    assert wait_event(shim, (Detached, Exited)) == Detached(2, True)
    assert is_alive(shim)
    assert "never" not in b.log_text()


def test_a_part_of_the_detach_keys_is_passed_on(b: Bench) -> None:
    ours, attachment = b.client(framed=False, detach_keys=KEYS)
    shim = b.run("sh", "-c", "stty -echo raw; echo ready; cat -v", stdin=True, terminal=True, attachments=[attachment])
    read_until(ours, b"ready")
    ours.sendall(b"\x10")
    ours.sendall(b"x\x10\x10y\x11\n")
    read_until(ours, b"^Px^P^Py^Q")
    assert is_alive(shim)


def test_detach_keys_mean_nothing_without_a_terminal(b: Bench) -> None:
    ours, attachment = b.client(detach_keys=KEYS)
    shim = b.run("cat", stdin=True, once=True, attachments=[attachment])
    ours.sendall(b"a\x10\x11b")
    ours.shutdown(socket.SHUT_WR)
    wait_exit(shim)
    assert frames(read_all(ours)) == [(1, b"a\x10\x11b")]


def test_detach_keys_in_the_first_bytes(b: Bench) -> None:
    ours, attachment = b.client(framed=False, detach_keys=KEYS, first=b"\x10\x11")
    shim = b.run("sleep", "100", stdin=True, terminal=True)
    shim.attach(attachment)
    assert read_all(ours) == b""
    assert is_alive(shim)


# held attachments


def test_a_held_attachment_goes_on_exactly_where_the_log_was(b: Bench) -> None:
    script = "i=0; while [ $i -lt 300 ]; do echo $i; i=$((i+1)); done; printf part; read x; echo ial; seq 300 310"
    feeder, feed = b.client(stdout=False, stderr=False)
    shim = b.run("sh", "-c", script, stdin=True, once=True, attachments=[feed])
    deadline = time.monotonic() + DEADLINE
    while "299" not in b.log_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.05)  # the unfinished line has no mark that could be waited for
    ours, attachment = b.client(stdin=False)
    copy = os.dup(attachment.descriptor)

    def replay(inode: int, offset: int) -> int:
        assert (inode, offset) == ((b.log.directory / b.log.name).stat().st_ino, len(b.log_text()))
        feeder.sendall(b"\n")
        return b.runtime.logs(b.log, copy, end=(inode, offset))

    _, reader = shim.attach_replayed(attachment, replay)
    os.close(reader)
    wait_exit(shim)
    text = b"".join(text for _, text in frames(read_all(ours)))
    assert text.decode().split("\n") == [*map(str, range(300)), "partial", *map(str, range(300, 311)), ""]


def test_a_held_attachment_is_given_up_with_the_engine_that_holds_it(b: Bench) -> None:
    bundle = b.bundle("sleep", "100")
    shim = b.start(bundle)
    ours, attachment = b.client(held=True)
    shim.attach(attachment)
    shim.close()
    assert ours.recv(1) == b""


def test_a_held_attachment_can_be_released_by_hand_once(b: Bench) -> None:
    shim = b.run("sh", "-c", "echo now; sleep 100")
    ours, attachment = b.client(held=True)
    number, _, _ = shim.attach(attachment)
    shim.release(number)
    with pytest.raises(Exception, match="refused release"):
        shim.release(number)
    shim.signal(signal.SIGKILL)
    wait_exit(shim)
    read_all(ours)


# limits


def test_too_many_clients_are_refused(b: Bench) -> None:
    shim = b.run("sleep", "100")
    for _ in range(64):
        shim.attach(b.client(stdin=False)[1])
    _, last = b.client()
    with pytest.raises(Conflict, match="too many clients"):
        shim.attach(last)
    os.close(last.descriptor)
    b.sockets[0].close()
    wait_event(shim, Detached)
    shim.attach(b.client()[1])


def test_many_attachments_before_the_start(b: Bench) -> None:
    pairs = [b.client(stdin=False) for _ in range(20)]
    shim = b.run("echo", "x", attachments=[pair[1] for pair in pairs])
    wait_exit(shim)
    for ours, _ in pairs:
        assert frames(read_all(ours)) == [(1, b"x\n")]


def test_a_tcp_client(b: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    b.sockets.append(ours)
    ours.settimeout(DEADLINE)
    _, model = b.client()
    os.close(model.descriptor)
    attachment = type(model)(theirs.detach(), True, True, True, True)
    shim = b.run("sh", "-c", "cat; seq 1 50000", stdin=True, once=True, no_log=True, attachments=[attachment])
    ours.sendall(b"hello\n")
    ours.shutdown(socket.SHUT_WR)
    receiver = Receiver(ours)
    wait_exit(shim)
    assert frames(receiver.data()) == [(1, b"hello\n" + b"".join(b"%d\n" % i for i in range(1, 50001)))]


def test_a_tcp_client_that_vanishes(b: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    b.sockets.append(ours)
    _, model = b.client()
    os.close(model.descriptor)
    shim = b.run(
        "sh",
        "-c",
        "while :; do echo x; sleep 0.02; done",
        attachments=[type(model)(theirs.detach(), False, True, True, True)],
    )
    assert ours.recv(100)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    ours.close()
    assert isinstance(wait_event(shim, (Detached, Exited)), Detached)


def test_the_engines_copy_of_the_socket_does_not_keep_it_open(b: Bench) -> None:
    ours, attachment = b.client(stdin=False)
    copy = os.dup(attachment.descriptor)
    shim = b.run("echo", "x", attachments=[attachment])
    wait_exit(shim)
    assert frames(read_all(ours)) == [(1, b"x\n")]
    with pytest.raises(OSError) as failure:
        os.write(copy, b"y")
    assert failure.value.errno == errno.EPIPE
    os.close(copy)
