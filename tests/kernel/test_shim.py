from __future__ import annotations

import errno
import json
import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support.shims import DEADLINE, Bench, bench, next_events, wait_event, wait_exit

from estiba.errors import Conflict, StartFailed
from estiba.linux import pidfd, sockets
from estiba.oci.runtime_spec import Memory, Resources
from estiba.runtime import protocol
from estiba.runtime.monitor import Exited, Lost, OutOfMemory, ShimState
from estiba.runtime.protocol import Message, Type

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator


@pytest.fixture
def b(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as made:
        yield made


def shim_pids(b: Bench) -> list[int]:
    return sorted(b.runtime._program._children)


def test_an_exit_is_told_and_recorded(b: Bench) -> None:
    bundle = b.bundle("sh", "-c", "echo out; echo err >&2; exit 7")
    before = time.time_ns()
    shim = b.start(bundle)
    exited = wait_exit(shim)
    record = b.runtime.exit_record(bundle.id)
    assert os.waitstatus_to_exitcode(exited.wait_status) == 7
    assert before < exited.time_ns < time.time_ns()
    assert record is not None
    assert (record.wait_status, record.oom_kills, record.time_ns) == (7 << 8, 0, exited.time_ns)
    assert record.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert '{"log":"out\\n","stream":"stdout","time":"' in b.log_text()
    assert '{"log":"err\\n","stream":"stderr","time":"' in b.log_text()


def test_a_death_by_signal_is_a_wait_status(b: Bench) -> None:
    shim = b.run("sleep", "100")
    assert shim.state() == ShimState("running", shim.pid, 0)
    shim.signal(signal.SIGKILL)
    assert wait_exit(shim).wait_status == signal.SIGKILL


def test_requests_to_an_ended_program_are_conflicts(b: Bench) -> None:
    shim = b.run("true")
    wait_event(shim, Exited)
    with pytest.raises(Conflict, match="is not running"):
        shim.signal(15)


def test_a_start_that_fails_leaves_nothing(b: Bench) -> None:
    bundle = b.bundle("nosuch")
    ours, attachment = b.client()
    with pytest.raises(StartFailed, match="executable file not found") as failure:
        b.start(bundle, [attachment])
    assert failure.value.exit_code == 127
    assert not bundle.directory.exists()
    assert shim_pids(b) == []
    os.write(attachment.descriptor, b"still mine")
    assert ours.recv(100) == b"still mine"
    os.close(attachment.descriptor)


def test_the_run_directory_is_private(b: Bench) -> None:
    bundle = b.bundle("sleep", "100")
    b.start(bundle)
    assert bundle.directory.stat().st_mode & 0o777 == 0o700
    assert sorted(os.listdir(bundle.directory)) == ["cgroup", "s"]


def test_stop_kills_in_time_though_the_engine_is_gone(b: Bench) -> None:
    bundle = b.bundle("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done")
    shim = b.start(bundle)
    process = os.dup(shim.pidfd)
    shim.stop(signal.SIGTERM, 300)
    asked = time.monotonic()
    shim.close()
    assert pidfd.wait_ended(process, DEADLINE)
    os.close(process)
    assert time.monotonic() - asked >= 0.25
    deadline = time.monotonic() + DEADLINE
    while (record := b.runtime.exit_record(bundle.id)) is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert record.wait_status == signal.SIGKILL


def test_stop_without_a_deadline_never_kills(b: Bench) -> None:
    shim = b.run("sh", "-c", "trap 'exit 5' USR1; trap '' TERM; while :; do sleep 0.05; done")
    shim.stop(signal.SIGTERM, None)
    with pytest.raises(TimeoutError):
        next_events(shim, 0.3)
    shim.signal(signal.SIGUSR1)
    assert os.waitstatus_to_exitcode(wait_exit(shim).wait_status) in (5, -signal.SIGUSR1)


def test_a_killed_shim_takes_the_container_with_it(b: Bench) -> None:
    bundle = b.bundle("sh", "-c", "sleep 100 & sleep 100")
    shim = b.start(bundle)
    (keeper,) = shim_pids(b)
    os.kill(keeper, signal.SIGKILL)
    assert isinstance(wait_event(shim, (Lost, Exited)), Lost)
    assert pidfd.wait_ended(shim.pidfd, DEADLINE)
    assert b.runtime.adopt(bundle.id) is None
    assert b.runtime.exit_record(bundle.id) is None
    b.runtime.cleanup(bundle.id)
    assert not bundle.directory.exists()
    b.runtime.cleanup(bundle.id)


def test_another_engine_takes_over(b: Bench) -> None:
    bundle = b.bundle("sh", "-c", "i=0; while [ $i -lt 40 ]; do echo line $i; i=$((i+1)); sleep 0.01; done; exit 4")
    first = b.start(bundle)
    first.close()
    with b.new_runtime() as runtime, closing(b.own(runtime.adopt(bundle.id))) as second:  # type: ignore[arg-type,type-var]
        assert second.pid == first.pid
        assert runtime.containers() == [bundle.id]
        assert os.waitstatus_to_exitcode(wait_exit(second).wait_status) == 4
        assert runtime.adopt(bundle.id) is None
    lines = [f'{{"log":"line {i}\\n"' for i in range(40)]
    assert [line.split(",")[0] for line in b.log_text().splitlines()] == lines


def test_the_newest_engine_gets_the_events(b: Bench) -> None:
    bundle = b.bundle("sleep", "100")
    first = b.start(bundle)
    second = b.own(b.runtime.adopt(bundle.id))  # type: ignore[arg-type]
    first.signal(signal.SIGKILL)
    assert isinstance(wait_event(second, (Exited, Lost)), Exited)
    second.close()
    assert isinstance(wait_event(first, (Exited, Lost)), Lost)


def test_an_exit_while_no_engine_is_there_is_only_recorded(b: Bench) -> None:
    bundle = b.bundle("sh", "-c", "read line; exit 6", stdin=True, once=True)
    ours, attachment = b.client()
    shim = b.start(bundle, [attachment])
    process = os.dup(shim.pidfd)
    shim.close()
    ours.sendall(b"go\n")
    assert pidfd.wait_ended(process, DEADLINE)
    os.close(process)
    assert ours.recv(10) == b""
    record = b.runtime.exit_record(bundle.id)
    assert record is not None
    assert record.wait_status == 6 << 8


def test_events_read_by_a_request_wake_the_waiter(b: Bench) -> None:
    shim = b.run("sh", "-c", "read line", stdin=True, once=False)
    ours, attachment = b.client()
    shim.attach(attachment)
    ours.close()
    deadline = time.monotonic() + DEADLINE
    while not shim._events:
        shim.state()
        assert time.monotonic() < deadline
    (event,) = next_events(shim)
    assert type(event).__name__ == "Detached"
    shim.signal(signal.SIGKILL)
    wait_exit(shim)


def raw_connection(bundle_directory: Path) -> socket.socket:
    directory = os.open(bundle_directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        connection = sockets.connect_at(directory, "s")
    finally:
        os.close(directory)
    connection.settimeout(DEADLINE)
    return connection


def test_malformed_messages_are_refused_and_harm_nothing(b: Bench) -> None:
    bundle = b.bundle("sleep", "100")
    shim = b.start(bundle)
    null = os.open("/dev/null", os.O_RDWR)
    with closing(raw_connection(bundle.directory)) as connection:

        def refused(message: bytes, descriptor: int | None = None) -> int:
            sockets.send(connection, message, descriptor)
            answer = protocol.decode(connection.recv(5000))
            assert answer.type == Type.DONE
            return answer.a

        assert refused(b"x") == errno.EINVAL
        assert refused(b"x", null) == errno.EINVAL
        assert refused(Message(999, 1).encode()) == errno.EINVAL
        assert refused(Message(Type.EXITED, 1).encode()) == errno.EINVAL
        assert refused(Message(Type.SIGNAL, 1, a=1 << 40).encode()) == errno.EINVAL
        assert refused(Message(Type.RESIZE, 1, a=1 << 20).encode()) == errno.EINVAL
        assert refused(Message(Type.ATTACH, 1).encode()) == errno.EINVAL
        assert refused(Message(Type.ATTACH, 1, b=1 << 63, flags=16).encode(), null) == errno.EINVAL
        assert refused(Message(Type.ATTACH, 1, b=40, flags=17, payload=bytes(40)).encode(), null) == errno.EINVAL
        assert refused(Message(Type.ATTACH, 1, flags=2).encode(), null) == errno.EPERM  # nothing to wait at
        assert refused(Message(Type.RELEASE, 77).encode()) == errno.ENOENT
        assert refused(Message(Type.START, 1).encode()) == errno.EALREADY
        assert refused(Message(Type.HELLO, 1, a=0).encode()) == errno.EINVAL
        assert refused(Message(Type.LOG_ROTATION, 1, b=0).encode()) == errno.EINVAL
        assert refused(bytes(32) + bytes(4065)) == errno.EINVAL
        chance = random.Random(1)
        harmless = [kind for kind in range(64) if kind not in (Type.SIGNAL, Type.STOP, Type.CLOSE_STDIN)]
        for _ in range(500):
            message = Message(
                chance.choice(harmless),
                chance.getrandbits(32),
                *(chance.choice((0, 1, chance.getrandbits(64))) for _ in range(3)),
                chance.getrandbits(16),
                chance.randbytes(chance.choice((0, 1, 33, 4064))),
            )
            sockets.send(connection, message.encode(), chance.choice((None, null)))
            connection.recv(5000)
    os.close(null)
    assert shim.state().state == "running"


def test_more_engines_than_places_are_turned_away(b: Bench) -> None:
    bundle = b.bundle("sleep", "100")
    shim = b.start(bundle)
    connections = [raw_connection(bundle.directory) for _ in range(12)]
    for connection in connections:
        try:
            sockets.send(connection, Message(Type.STATE, 1).encode())
            connection.recv(100)
        except (BrokenPipeError, ConnectionResetError):
            pass
    for connection in connections:
        connection.close()
    assert shim.state().state == "running"
    assert b.own(b.runtime.adopt(bundle.id)).pid == shim.pid  # type: ignore[arg-type]


def test_a_shim_ends_when_the_engine_dies_before_the_start(b: Bench) -> None:
    ours, theirs = sockets.pair()
    directory = os.open(b.directory, os.O_RDONLY | os.O_DIRECTORY)
    listener = sockets.listen_at(directory, "s")
    null = os.open("/dev/null", os.O_RDWR)
    places = {3: null, 4: theirs.fileno(), 5: listener.fileno(), 6: directory, 7: null}
    pid = b.runtime._program.start("run", places)
    theirs.close()
    listener.close()
    os.close(directory)
    os.close(null)
    sockets.send(ours, Message(Type.STATE, 1).encode())
    assert protocol.decode(ours.recv(100)).a == 0
    sockets.send(ours, Message(Type.START, 2).encode())
    assert protocol.decode(ours.recv(400)).type == Type.FAILED
    ours.close()
    os.waitpid(pid, 0)


def test_running_out_of_memory_is_told(b: Bench) -> None:
    limit = Resources(memory=Memory(limit=16 << 20, swap=16 << 20))
    bundle = b.bundle(spec=b.spec(["sh", "-c", "tail /dev/zero; echo survived; sleep 100"], resources=limit))
    shim = b.start(bundle)
    event = wait_event(shim, (OutOfMemory, Exited, Lost))
    assert event == OutOfMemory(1)
    shim.signal(signal.SIGKILL)
    assert wait_exit(shim).oom_kills == 1


def test_a_terminal_has_a_size_and_one_stream(b: Bench) -> None:
    ours, attachment = b.client(framed=False)
    shim = b.run(
        "sh", "-c", "stty size; echo err >&2; read x; stty size", terminal=True, stdin=True, attachments=[attachment]
    )
    shim.resize(31, 101)
    data = b""
    while b"err" not in data:
        data += ours.recv(100)
    shim.resize(40, 90)
    ours.sendall(b"\n")
    while b"40 90" not in data:
        data += ours.recv(100)
    wait_exit(shim)
    assert '"stream":"stderr"' not in b.log_text()


def test_a_resize_without_a_terminal_is_a_conflict(b: Bench) -> None:
    with pytest.raises(Conflict, match="has no terminal"):
        b.run("sleep", "100").resize(1, 1)


def test_no_signal_is_blocked_or_ignored_in_a_container(b: Bench) -> None:
    wait_exit(b.run("grep", "-E", "SigBlk|SigIgn|SigCgt", "/proc/self/status"))
    assert [json.loads(line)["log"].split()[1] for line in b.log_text().splitlines()] == ["0" * 16] * 3


def test_many_starts_at_once(b: Bench) -> None:
    def life(number: int) -> int:
        log = b.log.__class__(b.directory, f"{number}.log", -1, 1)
        shim = b.run("sh", "-c", f"echo {number}; exit {number}", log=log)
        return wait_exit(shim).wait_status >> 8

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(life, range(40))) == list(range(40))


@pytest.mark.skipif("ESTIBA_SHIM" in os.environ, reason="another program than the one shipped")
def test_an_idle_shim_is_small(b: Bench) -> None:
    for _ in range(10):
        b.run("sh", "-c", "head -c 3000000 /dev/zero; sleep 100", no_log=True)
    deadline = time.monotonic() + DEADLINE
    while True:
        sizes = [proportional_kib(pid) for pid in shim_pids(b)]
        if max(sizes) <= 60:
            return
        assert time.monotonic() < deadline, sizes
        time.sleep(0.1)


def test_a_shim_that_stays_leaves_the_engines_cgroups(b: Bench) -> None:
    b.run("sleep", "100")
    expected = len(b.runtime._shims_join_fds)
    (keeper,) = shim_pids(b)
    deadline = time.monotonic() + DEADLINE
    while Path(f"/proc/{keeper}/cgroup").read_text().count(f"{b.driver.base}/shims\n") != expected:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def proportional_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise AssertionError("no Pss line")
