"""The engine's process: its sockets, who may have a root, signals, background start."""

from __future__ import annotations

import os
import select
import signal
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.api.client import SECONDS, Client, EngineProcess
from tests.api.conftest import create
from tests.support.images import busybox_tar

from estiba.daemon.sockets import answers, listening
from estiba.daemon.start import default_socket, ensure_running
from estiba.errors import Conflict, SystemFailure

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[EngineProcess]:
    """An engine that a test may start and stop."""
    engine = EngineProcess(tmp_path)
    yield engine
    if engine.process is not None and engine.process.poll() is None:
        engine.clear()
        engine.stop()


def test_the_socket_is_for_root_and_a_group(own: EngineProcess) -> None:
    own.start()
    status = own.socket.stat()
    assert stat.S_IMODE(status.st_mode) == 0o660
    assert status.st_uid == 0
    assert own.stop() == 0
    assert not own.socket.exists()


def test_a_second_engine_is_refused(own: EngineProcess, tmp_path: Path) -> None:
    own.start()
    assert own.process is not None
    second = EngineProcess(tmp_path)
    second.socket = tmp_path / "second.sock"
    second.hosts = ("-H", f"unix://{second.socket}")
    with pytest.raises(RuntimeError, match=rf"in use by another engine \(pid {own.process.pid}, socket {own.socket}\)"):
        second.start()
    assert not second.socket.exists()
    assert second.process is not None
    second.process.wait(SECONDS)
    assert own.client("GET", "/_ping").status == 200


def test_a_stale_socket_is_replaced(own: EngineProcess) -> None:
    own.start()
    own.stop(signal.SIGKILL)
    assert own.socket.exists()
    own.start()
    assert own.client("GET", "/_ping").status == 200


def test_several_sockets(own: EngineProcess, tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / "other.sock"
    own.arguments = ("-H", f"unix://{tmp_path}/b.sock", "-H", f"unix://{deep}")
    own.start()
    for path in (own.socket, tmp_path / "b.sock"):
        assert Client(path)("GET", "/_ping").body == b"OK"
    assert deep.is_socket()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_containers_run_on(own: EngineProcess, number: signal.Signals) -> None:
    own.start()
    own.client("POST", "/images/create", busybox_tar(), fromSrc="-", repo="bb")
    create(own.client, "stays", "sleep", "600")
    own.client("POST", "/containers/stays/start")
    pid = own.client("GET", "/containers/stays/json").json["State"]["Pid"]
    _, waiting = own.client.open("POST", "/containers/stays/wait")
    assert own.stop(number) == 0
    waiting.close()
    os.kill(pid, 0)
    own.start()
    assert own.client("GET", "/containers/stays/json").json["State"]["Pid"] == pid


def test_two_roots_side_by_side(tmp_path: Path) -> None:
    engines = [EngineProcess(tmp_path / side) for side in ("a", "b")]
    for engine in engines:
        engine.socket.parent.mkdir()
        engine.run_dir = tmp_path / "run"
        engine.start()
    try:
        for engine in engines:
            engine.client("POST", "/images/create", busybox_tar(), fromSrc="-", repo="bb")
            create(engine.client, "same", "sleep", "600")
            assert engine.client("POST", "/containers/same/start").status == 204
        first, second = (engine.client("GET", "/containers/json").json for engine in engines)
        assert len(first) == len(second) == 1
        assert first[0]["Id"] != second[0]["Id"]
        engines[0].client("DELETE", "/containers/same", force=1)
        assert engines[1].client("GET", "/containers/same/json").json["State"]["Running"]
    finally:
        for engine in engines:
            engine.clear()
            engine.stop()


def test_the_default_socket_is_in_the_run_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = EngineProcess(tmp_path)
    monkeypatch.setenv("ESTIBA_ROOT", str(engine.root))
    monkeypatch.setenv("ESTIBA_RUN_DIR", str(engine.run_dir))
    engine.hosts = ()
    engine.start()
    try:
        assert Client(Path(default_socket()))("GET", "/_ping").body == b"OK"
    finally:
        engine.stop()


def test_clients_in_the_middle_do_not_hold_it_up(own: EngineProcess) -> None:
    own.start()
    streams = [own.client.open("GET", "/events")[1] for _ in range(20)]
    half = own.client.connect()
    half.sendall(b"GET / HTTP/1.1\r\n")
    upload = own.client.connect()
    upload.sendall(b"POST /images/load HTTP/1.1\r\nHost: d\r\nContent-Length: 100000\r\n\r\nx")
    assert own.stop() == 0
    for client in (*streams, half, upload):
        client.close()


class TestListening:
    def test_nobody_is_pushed_aside(self, tmp_path: Path) -> None:
        path = tmp_path / "s"
        with listening(path, "nosuch"):
            assert answers(path)
            with pytest.raises(Conflict, match="another engine answers there"), listening(path, "nosuch"):
                pass
            assert answers(path)
        assert not path.exists()

    def test_a_file_is_not_removed(self, tmp_path: Path) -> None:
        path = tmp_path / "s"
        path.write_text("x")
        with pytest.raises(Conflict, match="something else than a socket"), listening(path, "nosuch"):
            pass
        assert path.read_text() == "x"

    def test_an_impossible_path(self) -> None:
        with pytest.raises(SystemFailure, match="cannot listen on /proc/x/s"), listening(Path("/proc/x/s"), "nosuch"):
            pass


class TestBackgroundStart:
    @pytest.fixture
    def environment(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
        monkeypatch.setenv("ESTIBA_ROOT", str(tmp_path / "root"))
        monkeypatch.setenv("ESTIBA_RUN_DIR", str(tmp_path / "run"))
        yield tmp_path
        lock = tmp_path / "root" / "lock"
        if lock.exists() and (content := lock.read_text()):
            pid = int(content.partition('"pid": ')[2].partition(",")[0])
            waiting = os.pidfd_open(pid)
            os.kill(pid, signal.SIGTERM)
            assert select.select([waiting], [], [], SECONDS)[0]
            os.close(waiting)
            if pid in children():
                os.waitpid(pid, 0)

    def test_it_starts_and_is_found(self, environment: Path) -> None:
        path = ensure_running()
        assert path.startswith(f"{environment}/run/")
        assert Client(Path(path))("GET", "/_ping").body == b"OK"
        assert ensure_running() == path
        assert "serving" in (environment / "run" / "engine.log").read_text()

    def test_many_at_once_start_one(self, environment: Path) -> None:
        path = environment / "own.sock"
        code = f"from estiba.daemon.start import ensure_running; print(ensure_running('{path}'))"
        starters = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(5)]
        for starter in starters:
            said, _ = starter.communicate(timeout=60)
            assert (starter.returncode, said) == (0, f"{path}\n".encode())
        assert (environment / "run" / "engine.log").read_text().count("serving") == 1

    def test_the_reason_is_said(self, environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (environment / "file").write_text("")
        monkeypatch.setenv("ESTIBA_ROOT", str(environment / "file"))
        with pytest.raises(SystemFailure, match=r"cannot start an engine: .*file"):
            ensure_running(str(environment / "s"))

    def test_it_needs_little(self) -> None:
        code = (
            "import sys; before = set(sys.modules); import estiba.daemon.start;"
            "print(*sorted(set(sys.modules) - before))"
        )
        loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
        assert not {"asyncio", "dataclasses", "typing", "subprocess", "pathlib", "msgspec"} & set(loaded)


def children() -> set[int]:
    """Of this process."""
    found = set()
    for thread in threading.enumerate():
        path = Path(f"/proc/self/task/{thread.native_id}/children")
        if path.exists():
            found |= {int(pid) for pid in path.read_text().split()}
    return found


def test_ensure_running_needs_no_engine_that_answers(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        assert ensure_running(str(tmp_path / "s")) == str(tmp_path / "s")


def test_another_run_directory_is_refused_while_containers_run(tmp_path: Path) -> None:
    engine = EngineProcess(tmp_path)
    engine.start()
    try:
        engine.client("POST", "/images/create", busybox_tar(), fromSrc="-", repo="bb")
        create(engine.client, "stays", "sleep", "600")
        assert engine.client("POST", "/containers/stays/start").status == 204
        engine.stop(signal.SIGKILL)
        usual, engine.run_dir = engine.run_dir, tmp_path / "other"
        with pytest.raises(RuntimeError, match=rf"start with --run-dir {usual}"):
            engine.start()
        engine.run_dir = usual
        engine.start()
        assert engine.client("GET", "/containers/stays/json").json["State"]["Status"] == "running"
        engine.clear()
    finally:
        engine.stop()
