"""The library on a real engine: in this process, and the same face over a socket."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest
from tests.support.images import busybox_tar

import estiba
from estiba import aio

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from estiba.client.library import EngineFace


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[estiba.Engine]:
    """An engine in this process that also serves its socket, with the image bb."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    place = tmp_path_factory.mktemp("library")
    with estiba.Engine(place / "root", run=place / "run", serve=str(place / "estiba.sock")) as engine:
        engine.images.import_archive([busybox_tar()], "bb:latest")
        yield engine


@pytest.fixture(params=["in this process", "at a socket"])
def engine(request: pytest.FixtureRequest, served: estiba.Engine) -> Iterator[EngineFace]:
    if request.param == "in this process":
        yield served
    else:
        with estiba.connect(f"unix://{served.socket}") as remote:
            yield remote


def test_run_gives_output_and_exit_code(engine: EngineFace) -> None:
    result = engine.run("bb", ["sh", "-c", "cat; echo err >&2; exit 3"], input="text")
    assert (result.returncode, result.stdout, result.stderr) == (3, "text", "err\n")


def test_run_removes_its_container(engine: EngineFace) -> None:
    engine.run("bb", "true", name="short")
    with pytest.raises(estiba.NotFound):
        engine.containers.get("short")


def test_check_raises_with_the_result(engine: EngineFace) -> None:
    with pytest.raises(estiba.ProcessFailed) as failure:
        engine.run("bb", ["sh", "-c", "echo why >&2; exit 4"], check=True)
    assert failure.value.result.returncode == 4
    assert "why" in failure.value.message


def test_a_time_out_kills_and_removes(engine: EngineFace) -> None:
    with pytest.raises(estiba.Timeout):
        engine.run("bb", "sleep 60", timeout=0.3, name="slow")
    with pytest.raises(estiba.NotFound):
        engine.containers.get("slow")


def test_a_conversation(engine: EngineFace) -> None:
    with engine.popen("bb", ["sh", "-c", "echo ready; read x; echo got $x; sleep 60"], stdin=True) as process:
        assert next(process.stdout) == "ready\n"
        assert process.stdin is not None
        process.stdin.write("this\n")
        assert next(process.stdout) == "got this\n"
        assert process.poll() is None
        process.kill()
        assert process.wait(10) == 137


def test_a_program_that_is_not_there(engine: EngineFace) -> None:
    with pytest.raises(estiba.StartFailed, match="executable file not found") as failure:
        engine.run("bb", "nosuch")
    assert failure.value.exit_code == 127


def test_a_container_in_the_background(engine: EngineFace, tmp_path: Path) -> None:
    container = engine.start("bb", ["sh", "-c", "echo hello; sleep 60"], labels={"a": "b"})
    try:
        assert container.status == "running"
        assert container.exec(["sh", "-c", "echo $A"], env={"A": "1"}).stdout == "1\n"
        (tmp_path / "file").write_text("content")
        container.copy_to(tmp_path / "file", "/tmp")
        assert container.exec("cat /tmp/file").stdout == "content"
        (tmp_path / "out").mkdir()
        container.copy_from("/etc/passwd", tmp_path / "out")
        assert (tmp_path / "out/passwd").read_text().startswith("root:")
        with container.logs() as logs:
            assert logs.read() == "hello\n"
        assert [found.id for found in engine.containers.list(filters={"label": ["a=b"]})] == [container.id]
        container.kill()
        assert container.wait(10) == 137
    finally:
        container.remove(force=True)


def test_leaving_removes_what_was_made_and_nothing_else(served: estiba.Engine) -> None:
    other = served.start("bb", "sleep 60", name="other")
    with estiba.connect(f"unix://{served.socket}") as remote:
        remote.start("bb", "sleep 60", name="mine")
    with pytest.raises(estiba.NotFound):
        served.containers.get("mine")
    assert other.status == "running"
    other.remove(force=True)


def test_a_root_has_one_engine_and_open_finds_it(served: estiba.Engine, tmp_path: Path) -> None:
    root = str(served.info()["root"])
    with pytest.raises(estiba.Conflict, match=rf"in use by another library \(pid {os.getpid()}, socket "):
        estiba.Engine(root, run=tmp_path)
    with estiba.open(root, run=tmp_path) as found:
        assert found.run("bb", "echo here").stdout == "here\n"


def test_asyncio(served: estiba.Engine) -> None:
    async def story() -> None:
        async with aio.connect(f"unix://{served.socket}") as engine:
            results = await asyncio.gather(*(engine.run("bb", ["echo", str(number)]) for number in range(6)))
            assert [result.stdout for result in results] == [f"{number}\n" for number in range(6)]
            async with await engine.popen("bb", ["sh", "-c", "echo a; echo b"]) as process:
                assert [line async for line in process.stdout] == ["a\n", "b\n"]
                assert await process.wait() == 0
            container = await engine.start("bb", "sleep 60")
            with pytest.raises(TimeoutError):
                await container.wait(0.1)
            await container.kill()
            assert await container.wait(10) == 137

    asyncio.run(story())
