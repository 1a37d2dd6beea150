"""Additional processes in a running container."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest
from tests.support.shims import Bench, bench, frames, read_all, read_until, wait_event, wait_exit

from estiba.errors import Conflict, EstibaError, StartFailed
from estiba.runtime.monitor import Detached, Exited

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from estiba.runtime.create import Bundle
    from estiba.runtime.monitor import Attachment, Shim


@pytest.fixture
def b(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as made:
        yield made


@pytest.fixture
def container(b: Bench) -> tuple[Bundle, Shim]:
    bundle = b.bundle("sleep", "1000")
    return bundle, b.start(bundle)


def start_exec(
    b: Bench,
    container: tuple[Bundle, Shim],
    *args: str,
    exec_id: str = "e1",
    stdin: bool = False,
    terminal: bool = False,
    attachments: Sequence[Attachment] = (),
) -> Shim:
    bundle, shim = container
    process = b.process(args, terminal=terminal)
    return b.own(
        b.runtime.exec(
            shim, exec_id, process, bundle.spec, container_id=bundle.id, open_stdin=stdin, attachments=attachments
        )
    )


def test_output_exit_code_and_record(b: Bench, container: tuple[Bundle, Shim]) -> None:
    ours, attachment = b.client(stdin=False)
    shim = start_exec(b, container, "sh", "-c", "echo out; echo err >&2; exit 9", attachments=[attachment])
    exited = wait_event(shim, Exited)
    assert isinstance(exited, Exited)
    assert exited.wait_status == 9 << 8
    bundle = container[0]
    record = b.runtime.exit_record(bundle.id, "e1")
    assert record is not None
    assert record.wait_status == 9 << 8
    shim.close()
    assert sorted(frames(read_all(ours))) == [(1, b"out\n"), (2, b"err\n")]
    b.runtime.cleanup_exec(bundle.id, "e1")
    assert b.runtime.exit_record(bundle.id, "e1") is None
    assert b.log_text() == ""


def test_it_is_inside_the_container(b: Bench, container: tuple[Bundle, Shim]) -> None:
    ours, attachment = b.client(stdin=False, framed=False)
    links = "/proc/self/ns/pid /proc/1/ns/pid /proc/self/ns/net /proc/1/ns/net"
    script = f"for link in {links}; do readlink $link; done; cat /proc/self/cgroup"
    wait_exit(start_exec(b, container, "sh", "-c", script, attachments=[attachment]))
    lines = read_all(ours).decode().splitlines()
    assert lines[0] == lines[1] != os.readlink("/proc/self/ns/pid")
    assert lines[2] == lines[3] != os.readlink("/proc/self/ns/net")
    expected = container[0].spec.linux.cgroups_path
    assert [line for line in lines[4:] if line.endswith(f":{expected}")]


def test_end_of_stdin_closes_it(b: Bench, container: tuple[Bundle, Shim]) -> None:
    ours, attachment = b.client()
    shim = start_exec(b, container, "cat", stdin=True, attachments=[attachment])
    ours.sendall(b"hello")
    ours.shutdown(socket.SHUT_WR)
    wait_exit(shim)
    assert frames(read_all(ours)) == [(1, b"hello")]


def test_half_close_on_a_terminal_lets_it_run(b: Bench, container: tuple[Bundle, Shim]) -> None:
    ours, attachment = b.client(framed=False)
    shim = start_exec(b, container, "sh", "-c", "tty; sleep 100", stdin=True, terminal=True, attachments=[attachment])
    read_until(ours, b"/dev/pts/")
    ours.shutdown(socket.SHUT_WR)
    read_all(ours)
    assert isinstance(wait_event(shim, (Detached, Exited)), Detached)
    assert shim.state().state == "running"
    shim.signal(signal.SIGKILL)
    wait_exit(shim)


def test_detach_keys_say_good_bye(b: Bench, container: tuple[Bundle, Shim]) -> None:
    ours, attachment = b.client(framed=False, detach_keys=b"\x10\x11")
    shim = start_exec(b, container, "cat", stdin=True, terminal=True, attachments=[attachment])
    ours.sendall(b"\x10\x11")
    assert read_all(ours) == b"exec attach failed: error on attach stdin: read escape sequence\r\n"
    assert wait_event(shim, (Detached, Exited)) == Detached(2, True)


def test_a_terminal_can_be_resized(b: Bench, container: tuple[Bundle, Shim]) -> None:
    ours, attachment = b.client(framed=False)
    shim = start_exec(
        b, container, "sh", "-c", "read x; stty size", stdin=True, terminal=True, attachments=[attachment]
    )
    shim.resize(50, 132)
    ours.sendall(b"\n")
    read_until(ours, b"50 132")
    wait_exit(shim)


def test_a_failure_is_explained_and_leaves_nothing(b: Bench, container: tuple[Bundle, Shim]) -> None:
    ours, attachment = b.client()
    with pytest.raises(StartFailed, match=r"OCI runtime exec failed.*executable file not found") as failure:
        start_exec(b, container, "nosuch", attachments=[attachment])
    assert failure.value.exit_code == 127
    os.write(attachment.descriptor, b"x")
    assert ours.recv(10) == b"x"
    os.close(attachment.descriptor)
    assert not (container[0].directory / "exec" / "e1").exists()


def test_children_that_keep_the_output_open_do_not_keep_the_exec(b: Bench, container: tuple[Bundle, Shim]) -> None:
    ours, attachment = b.client(stdin=False)
    started = time.monotonic()
    shim = start_exec(b, container, "sh", "-c", "sleep 100 & echo x", attachments=[attachment])
    wait_exit(shim)
    assert frames(read_all(ours)) == [(1, b"x\n")]
    assert time.monotonic() - started < 2


def test_children_that_write_for_ever_do_not_keep_it_either(b: Bench, container: tuple[Bundle, Shim]) -> None:
    ours, attachment = b.client(stdin=False)
    started = time.monotonic()
    shim = start_exec(b, container, "sh", "-c", "yes & echo $!", attachments=[attachment])
    reader = threading.Thread(target=read_all, args=(ours,))
    reader.start()
    wait_exit(shim)
    reader.join()
    assert 1 < time.monotonic() - started < 6


def test_the_end_of_the_container_ends_its_execs(b: Bench, container: tuple[Bundle, Shim]) -> None:
    shims = [start_exec(b, container, "sleep", "100", exec_id=f"e{i}") for i in range(3)]
    container[1].signal(signal.SIGKILL)
    wait_exit(container[1])
    assert [wait_exit(shim).wait_status for shim in shims] == [signal.SIGKILL] * 3
    with pytest.raises((Conflict, EstibaError)):
        start_exec(b, container, "true", exec_id="late")


def test_another_engine_takes_execs_over(b: Bench, container: tuple[Bundle, Shim]) -> None:
    ours, attachment = b.client(stdout=False, stderr=False)
    first = start_exec(b, container, "sh", "-c", "read x; exit 3", stdin=True, attachments=[attachment])
    first.close()
    bundle = container[0]
    with b.new_runtime() as runtime:
        adopted = runtime.adopt_execs(bundle.id)
        assert list(adopted) == ["e1"]
        second = b.own(adopted["e1"])
        assert second.pid == first.pid
        ours.sendall(b"\n")
        assert wait_exit(second).wait_status == 3 << 8
        assert runtime.adopt_execs(bundle.id) == {}
        assert runtime.exit_record(bundle.id, "e1") is not None
        assert b.own(runtime.adopt(bundle.id)).pid == container[1].pid  # type: ignore[arg-type]


def test_the_joining_process_holds_nothing_of_the_host(b: Bench, container: tuple[Bundle, Shim]) -> None:
    ours, attachment = b.client(stdin=False, framed=False)
    wait_exit(start_exec(b, container, "sh", "-c", "ls /proc/$$/fd; ls -l /proc/1/exe", attachments=[attachment]))
    lines = read_all(ours).decode().splitlines()
    assert [line for line in lines if line.isdigit()] == ["0", "1", "2"]
    assert lines[-1].endswith("/bin/busybox")
