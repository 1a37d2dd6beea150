"""The log: what the shim writes and what the logs role reads back."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import random
import re
import select
import signal
import socket
import time
from typing import TYPE_CHECKING

import pytest
from tests.support.shims import DEADLINE, Bench, bench, frames, read_all, read_until, wait_event, wait_exit

from estiba.linux import pidfd
from estiba.runtime.create import LogFile
from estiba.runtime.monitor import LogResumed, LogStalled

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from estiba.runtime.monitor import Shim

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,8}[1-9])?Z")


@pytest.fixture
def b(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as made:
        yield made


class Reader:
    """A run of the logs role."""

    def __init__(self, b: Bench, log: LogFile | None = None, **options: object) -> None:
        self.ours, theirs = socket.socketpair()
        self.ours.settimeout(DEADLINE)
        b.sockets.append(self.ours)
        self.pidfd = b.runtime.logs(log or b.log, theirs.detach(), **options)  # type: ignore[arg-type]

    def all(self) -> bytes:
        """What it sends until its end."""
        data = read_all(self.ours)
        self.ended()
        return data

    def ended(self) -> None:
        """Wait until the process is gone."""
        assert pidfd.wait_ended(self.pidfd, DEADLINE)
        os.close(self.pidfd)


def read_log(b: Bench, log: LogFile | None = None, **options: object) -> bytes:
    return Reader(b, log, **options).all()


def write_file(b: Bench, *lines: str, suffix: str = "") -> None:
    (b.directory / f"{b.log.name}{suffix}").write_text("".join(lines))


def entry(text: str, second: int = 0, stream: str = "stdout") -> str:
    return (
        json.dumps({"log": text, "stream": stream, "time": f"2026-01-02T03:04:{second:02}.5Z"}, separators=(",", ":"))
        + "\n"
    )


def run_bytes(b: Bench, content: bytes, **options: object) -> list[dict[str, str]]:
    """What is logged of a program that writes these bytes."""
    ours, attachment = b.client(stdout=False, stderr=False)
    shim = b.run("cat", stdin=True, once=True, attachments=[attachment], **options)
    ours.sendall(content)
    ours.shutdown(socket.SHUT_WR)
    wait_exit(shim)
    return [json.loads(line) for line in b.log_text().splitlines()]


# writing


def test_lines_are_entries_with_a_time(b: Bench) -> None:
    entries = run_bytes(b, b"one\n\nthree")
    assert [e["log"] for e in entries] == ["one\n", "\n", "three"]
    assert all(list(e) == ["log", "stream", "time"] and TIME.fullmatch(e["time"]) for e in entries)


def test_text_is_escaped_as_docker_does(b: Bench) -> None:
    run_bytes(b, b'a"b\\c\td\re\x01<&>\x7f\n' + "é \u2028 \u2029 \U0001f600\n".encode())
    first, second = b.log_text().splitlines()
    assert first.startswith(r'{"log":"a\"b\\c\u0009d\re\u0001\u003c\u0026\u003e' + "\x7f" + r'\n","stream":"stdout"')
    assert second.startswith('{"log":"é \\u2028 \\u2029 \U0001f600\\n","stream"')


def test_invalid_utf_8_becomes_replacement_characters(b: Bench) -> None:
    bad = [b"\xff", b"\xc3(", b"\xe2\x82", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"\xf0\x9f\x98"]
    entries = run_bytes(b, b"".join(part + b"\n" for part in bad))
    expected = ["\ufffd", "\ufffd(", "\ufffd" * 2, "\ufffd" * 3, "\ufffd" * 2, "\ufffd" * 4, "\ufffd" * 3]
    assert [e["log"][:-1] for e in entries] == expected


@pytest.mark.parametrize("length", [16383, 16384, 16385, 32768, 50000])
def test_long_lines_are_cut_at_16_kib(b: Bench, length: int) -> None:
    entries = run_bytes(b, b"x" * length + b"\nnext\n")
    pieces = ["x" * min(16384, length - start) for start in range(0, length, 16384)]
    if length % 16384 == 0:
        pieces.append("")
    pieces[-1] += "\n"
    assert [e["log"] for e in entries] == [*pieces, "next\n"]


def test_a_cut_does_not_tear_a_character(b: Bench) -> None:
    text = "a" + "é" * 20000 + "\n"
    entries = run_bytes(b, text.encode())
    assert "".join(e["log"] for e in entries) == text
    assert len(entries) == 3


def test_a_line_in_pieces_is_one_entry(b: Bench) -> None:
    wait_exit(
        b.run(
            "sh",
            "-c",
            "printf on; sleep 0.05; printf 'e \\303'; sleep 0.05; printf '\\251\\nx'; sleep 0.05; echo y >&2",
        )
    )
    assert sorted(json.loads(line)["log"] for line in b.log_text().splitlines()) == ["one é\n", "x", "y\n"]


def test_a_log_is_continued(b: Bench) -> None:
    wait_exit(b.run("echo", "first"))
    wait_exit(b.run("echo", "second"))
    assert [json.loads(line)["log"] for line in b.log_text().splitlines()] == ["first\n", "second\n"]


def test_rotation_keeps_whole_lines_and_so_many_files(b: Bench) -> None:
    log = LogFile(b.directory, "r.log", 20_000, 3)
    wait_exit(b.run("sh", "-c", "seq 1 2000", log=log))
    names = sorted(name for name in os.listdir(b.directory) if name.startswith("r.log"))
    assert names == ["r.log", "r.log.1", "r.log.2"]
    texts = [(b.directory / name).read_text() for name in reversed(names)]
    numbers = [int(json.loads(line)["log"]) for text in texts for line in text.splitlines()]
    assert numbers == list(range(numbers[0], 2001))
    assert all(20_000 <= len(text) < 20_100 for text in texts[:2])


def test_one_file_is_begun_anew(b: Bench) -> None:
    log = LogFile(b.directory, "r.log", 5_000, 1)
    wait_exit(b.run("sh", "-c", "seq 1 1000", log=log))
    assert [name for name in os.listdir(b.directory) if name.startswith("r.log")] == ["r.log"]
    assert (b.directory / "r.log").stat().st_size < 5_100


def test_rotation_can_be_changed_while_it_runs(b: Bench) -> None:
    log = LogFile(b.directory, "r.log", -1, 1)
    ours, attachment = b.client(stdout=False, stderr=False)
    shim = b.run("cat", stdin=True, once=True, log=log, attachments=[attachment])
    shim.set_log_rotation(1000, 2)
    ours.sendall(b"x\n" * 100)
    ours.shutdown(socket.SHUT_WR)
    wait_exit(shim)
    assert sorted(n for n in os.listdir(b.directory) if n.startswith("r.log")) == ["r.log", "r.log.1"]


def test_a_name_that_is_a_link_is_not_followed(b: Bench) -> None:
    target = b.directory / "elsewhere"
    (b.directory / b.log.name).symlink_to(target)
    with pytest.raises(Exception, match=r"cannot open the log file c-json\.log: too many levels"):
        b.run("echo", "x")
    assert not target.exists()


@contextlib.contextmanager
def tiny_disk(directory: Path, size: int) -> Iterator[Path]:
    """A tmpfs in this process's mount namespace, for the time of the block."""
    libc = ctypes.CDLL(None, use_errno=True)
    directory.mkdir()
    assert libc.mount(b"tmpfs", os.fsencode(directory), b"tmpfs", 0, f"size={size}".encode()) == 0
    try:
        yield directory
    finally:
        assert libc.umount2(os.fsencode(directory), 2) == 0


def test_a_full_disk_drops_and_counts_and_the_program_goes_on(b: Bench) -> None:
    with tiny_disk(b.directory / "disk", 256 << 10) as disk:
        (disk / "ballast").write_bytes(bytes(32 << 10))
        log = LogFile(disk, "c.log", -1, 1)
        ours, attachment = b.client(stdout=False)
        script = "seq 1 20000; echo full >&2; read x; echo after; echo full again >&2"
        shim = b.run("sh", "-c", script, stdin=True, log=log, attachments=[attachment])
        stalled = wait_event(shim, LogStalled)
        assert stalled == LogStalled(28)
        read_until(ours, b"full")
        (disk / "ballast").unlink()
        ours.sendall(b"\n")
        resumed = wait_event(shim, LogResumed)
        read_until(ours, b"again")
        wait_exit(shim)
        lines = (disk / "c.log").read_text().splitlines()
    entries = [json.loads(line)["log"] for line in lines]
    at = next(i for i, text in enumerate(entries) if text.startswith("[estiba"))
    assert entries[:at] == [f"{i}\n" for i in range(1, at + 1)]
    assert isinstance(resumed, LogResumed)
    assert entries[at] == f"[estiba: {resumed.dropped} bytes of this log were lost, the disk was full]\n"
    assert resumed.dropped > 500_000
    assert "after\n" in entries[at:]


# reading


def test_what_was_written_comes_back_framed(b: Bench) -> None:
    text = 'tab\there "quoted" <html> é \u2028 \U0001f600'
    wait_exit(b.run("sh", "-c", f"printf '%s\\n' '{text}'; sleep 0.02; printf 'no end' >&2"))
    assert frames(read_log(b)) == [(1, f"{text}\n".encode()), (2, b"no end")]
    assert read_log(b, framed=False, stderr=False) == f"{text}\n".encode()
    assert read_log(b, framed=False, stdout=False) == b"no end"


def test_each_entry_is_a_frame(b: Bench) -> None:
    write_file(b, entry("a\n"), entry("b\n"))
    assert read_log(b) == b"\1\0\0\0\0\0\0\2a\n\1\0\0\0\0\0\0\2b\n"


def test_timestamps_have_nine_digits(b: Bench) -> None:
    lines = [entry("x\n").replace("03:04:00.5Z", time) for time in ("03:04:00Z", "03:04:00.123456789Z")]
    write_file(b, *lines)
    expected = b"2026-01-02T03:04:00.000000000Z x\n2026-01-02T03:04:00.123456789Z x\n"
    assert read_log(b, framed=False, timestamps=True) == expected


def test_details_stand_behind_the_time(b: Bench) -> None:
    write_file(b, entry("x\n", 7))
    expected = b"2026-01-02T03:04:07.500000000Z k=v x\n"
    assert read_log(b, framed=False, timestamps=True, details=b"k=v ") == expected
    assert frames(read_log(b, details=b" ")) == [(1, b" x\n")]


def test_the_rest_of_a_long_line_has_no_time(b: Bench) -> None:
    write_file(b, entry("begin "), entry("other\n", 1, "stderr"), entry("end\n", 2), entry("next\n", 3))
    times = [f"2026-01-02T03:04:0{i}.500000000Z " for i in range(4)]
    expected = f"{times[0]}begin {times[1]}other\nend\n{times[3]}next\n".encode()
    assert read_log(b, framed=False, timestamps=True) == expected


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [(0, 0, "01234"), (2, 0, "234"), (0, 2, "012"), (1, 3, "123"), (9, 0, ""), (0, -9, "")],
)
def test_since_and_until(b: Bench, since: int, until: int, expected: str) -> None:
    write_file(b, *(entry(f"{i}", i) for i in range(5)))
    base = 1767323040  # 2026-01-02T03:04:00Z

    def ns(second: int) -> int:
        return (base + second) * 10**9 + 500_000_000 if second else 0

    assert read_log(b, framed=False, since_ns=ns(since), until_ns=ns(until)).decode() == expected


def test_tail_goes_back_through_the_files(b: Bench) -> None:
    write_file(b, *(entry(f"a{i}\n") for i in range(3)), suffix=".2")
    write_file(b, *(entry(f"b{i}\n" + "x" * 70_000) for i in range(3)), suffix=".1")
    write_file(b, *(entry(f"c{i}\n") for i in range(3)))

    def names(tail: int) -> list[str]:
        return re.findall(r"[abc]\d", read_log(b, framed=False, tail=tail).decode())

    every = [f"{letter}{i}" for letter in "abc" for i in range(3)]
    for tail in range(12):
        assert names(tail) == every[max(0, 9 - tail) :], tail
    assert names(-1) == every


def test_a_log_that_does_not_exist_is_empty(b: Bench) -> None:
    assert read_log(b) == b""
    assert read_log(b, tail=5) == b""


def test_corrupt_lines_are_skipped(b: Bench) -> None:
    good = entry("good\n")
    bad = [
        "\n",
        "{}\n",
        "not json\n",
        good[:-20] + "\n",
        good.replace('"log"', '"lag"'),
        good.replace("2026-", "x026x"),
        good.replace("good", "go\\u12"),
        good.replace("good", "go\\q"),
        good.replace('good\\n"', "good\\n"),
        good.replace("stdout", "nonsense"),
        "\0" * 5000 + "\n",
        '{"log":"' + "y" * 2_000_000 + "\n",
        '{"log":"\\\n',
    ]
    write_file(b, good, *bad, good, "unfinished " + good[:30])
    assert read_log(b, framed=False) == b"good\ngood\n"


def test_random_damage_never_crashes_the_reader(b: Bench) -> None:
    chance = random.Random(3)
    source = "".join(entry(f'line {i} \\ " \u00e9 <\x01>\n', i % 60) for i in range(200)).encode()
    for _ in range(30):
        data = bytearray(source)
        for _ in range(50):
            at = chance.randrange(len(data))
            data[at : at + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
        (b.directory / b.log.name).write_bytes(data)
        reader = Reader(b, timestamps=True, tail=chance.choice((-1, 50)))
        frames(read_all(reader.ours))
        assert os.waitid(os.P_PIDFD, reader.pidfd, os.WEXITED).si_status == 0  # type: ignore[union-attr]
        os.close(reader.pidfd)


def test_http_chunks(b: Bench) -> None:
    write_file(b, *(entry(f"{i}\n" * 3) for i in range(50_000)))
    data = read_log(b, framed=False, chunked=True)
    body = b""
    while True:
        head, _, data = data.partition(b"\r\n")
        size = int(head, 16)
        body += data[:size]
        assert data[size : size + 2] == b"\r\n"
        data = data[size + 2 :]
        if not size:
            break
    assert data == b""
    assert body == b"".join(b"%d\n" % i * 3 for i in range(50_000))


def test_it_ends_where_it_is_told(b: Bench) -> None:
    lines = [entry(f"{i}\n") for i in range(10)]
    write_file(b, *lines, suffix=".1")
    write_file(b, *lines)
    inode = (b.directory / f"{b.log.name}.1").stat().st_ino
    assert read_log(b, framed=False, end=(inode, 4 * len(lines[0]))) == b"0\n1\n2\n3\n"
    assert read_log(b, framed=False, end=(inode, 4 * len(lines[0])), tail=1) == b"3\n"
    assert read_log(b, framed=False, end=(12345, 100)) == b""


# following


def follow(b: Bench, shim: Shim, log: LogFile | None = None, **options: object) -> Reader:
    return Reader(b, log, **{"follow": True, "shim": shim, "framed": False, **options})


def test_following_ends_with_the_program(b: Bench) -> None:
    ours, attachment = b.client(stdout=False, stderr=False)
    shim = b.run("sh", "-c", "echo before; cat; printf last", stdin=True, once=True, attachments=[attachment])
    reader = follow(b, shim)
    read_until(reader.ours, b"before\n")
    ours.sendall(b"line 1\n")
    assert read_until(reader.ours, b"\n") == b"line 1\n"
    ours.sendall(b"line 2\n")
    assert read_until(reader.ours, b"\n") == b"line 2\n"
    ours.shutdown(socket.SHUT_WR)
    wait_exit(shim)
    assert reader.all() == b"last"


def test_following_ends_though_a_client_keeps_the_shim(b: Bench) -> None:
    stubborn, attachment = b.client(stdin=False)
    shim = b.run(
        "sh", "-c", "dd if=/dev/zero bs=65536 count=10 2>/dev/null; read x", stdin=True, attachments=[attachment]
    )
    reader = follow(b, shim)
    shim.signal(signal.SIGKILL)
    started = time.monotonic()
    reader.all()
    assert time.monotonic() - started < 1.5
    wait_exit(shim)
    late = follow(b, shim)
    late.all()
    stubborn.close()


def test_following_ends_when_the_shim_is_killed(b: Bench) -> None:
    shim = b.run("sh", "-c", "echo x; sleep 100")
    reader = follow(b, shim)
    read_until(reader.ours, b"x\n")
    (keeper,) = b.runtime._program._children - {0} - {pid_of(reader.pidfd)}
    os.kill(keeper, signal.SIGKILL)
    assert reader.all() == b""


def pid_of(descriptor: int) -> int:
    with open(f"/proc/self/fdinfo/{descriptor}") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pid:"))


def test_following_ends_when_the_client_goes(b: Bench) -> None:
    shim = b.run("sleep", "100")
    reader = follow(b, shim)
    assert not select.select([reader.ours], [], [], 0.1)[0]
    reader.ours.close()
    reader.ended()


def test_following_ends_at_until(b: Bench) -> None:
    shim = b.run("sh", "-c", "while :; do echo x; sleep 0.05; done")
    reader = follow(b, shim, until_ns=time.time_ns() + 300_000_000)
    data = reader.all()
    assert 1 <= data.count(b"x") <= 8
    quiet = b.run("sleep", "100", log=LogFile(b.directory, "quiet.log", -1, 1))
    started = time.monotonic()
    assert (
        follow(b, quiet, LogFile(b.directory, "quiet.log", -1, 1), until_ns=time.time_ns() + 200_000_000).all() == b""
    )
    assert 0.15 < time.monotonic() - started < 5


def test_following_with_a_tail(b: Bench) -> None:
    ours, attachment = b.client(stderr=False)
    shim = b.run("sh", "-c", "seq 1 100; cat", stdin=True, once=True, attachments=[attachment])
    read_until(ours, b"100\n")
    reader = follow(b, shim, tail=2)
    read_until(reader.ours, b"99\n100\n")
    ours.sendall(b"more\n")
    ours.shutdown(socket.SHUT_WR)
    wait_exit(shim)
    assert reader.all() == b"more\n"


def wait_until_open(reader: Reader, path: Path) -> None:
    """Wait until the reader has the newest file open: its notice of a rotation takes some time."""
    descriptors = f"/proc/{pid_of(reader.pidfd)}/fd"

    def is_newest(name: str) -> bool:
        try:
            return os.path.samefile(path, f"{descriptors}/{name}")
        except FileNotFoundError:
            return False

    deadline = time.monotonic() + DEADLINE
    while not any(map(is_newest, os.listdir(descriptors))):
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.mark.parametrize("files", [1, 2, 5])
def test_rotation_while_following_loses_nothing(b: Bench, files: int) -> None:
    """The client reads nothing while files are rotated away: the reader keeps them open."""
    log = LogFile(b.directory, "r.log", 20_000, files)
    ours, attachment = b.client(framed=False)
    script = "echo done; i=0; while read x; do seq $((i*200+1)) $((i*200+200)); echo done; i=$((i+1)); done"
    shim = b.run("sh", "-c", script, stdin=True, once=True, log=log, attachments=[attachment])
    reader = follow(b, shim, log)
    reader.ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    read_until(reader.ours, b"done\n")
    read_until(ours, b"done\n")
    for _ in range(40):
        ours.sendall(b"\n")
        read_until(ours, b"done\n")
        wait_until_open(reader, b.directory / "r.log")
    ours.shutdown(socket.SHUT_WR)
    wait_exit(shim)
    numbers = [int(text) for text in reader.all().split() if text != b"done"]
    assert numbers == list(range(1, 8001))


def test_two_thousand_lines_a_second_followed_by_three(b: Bench) -> None:
    shim = b.run("sh", "-c", "i=0; while [ $i -lt 1000 ]; do echo $i; i=$((i+1)); done")
    readers = [follow(b, shim) for _ in range(3)]
    wait_exit(shim)
    expected = b"".join(b"%d\n" % i for i in range(1000))
    assert [reader.all() for reader in readers] == [expected] * 3


def test_a_follower_without_a_shim_reads_to_the_end(b: Bench) -> None:
    wait_exit(b.run("echo", "x"))
    assert read_log(b, framed=False, follow=True, shim=None) == b"x\n"


@pytest.mark.skipif("ESTIBA_SHIM" in os.environ, reason="another program than the one shipped")
def test_throughput(b: Bench) -> None:
    line = "x" * 150 + "\n"
    write_file(b, entry(line) * 400_000)
    size = (b.directory / b.log.name).stat().st_size
    best = 0.0
    for _ in range(3):
        started = time.monotonic()
        reader = Reader(b)
        while reader.ours.recv(1 << 20):
            pass
        best = max(best, size / (time.monotonic() - started))
        reader.ended()
    assert best > 150e6, f"{best / 1e6:.0f} MB/s"
