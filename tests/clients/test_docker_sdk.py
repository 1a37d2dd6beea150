"""The `docker` SDK from PyPI on our engine."""

from __future__ import annotations

import gc
import io
import tarfile
import threading
from typing import TYPE_CHECKING, Any

import docker as sdk
import pytest
from docker.errors import APIError, ContainerError, ImageNotFound, NotFound
from docker.types import Healthcheck, LogConfig, Mount, Ulimit
from tests.support.command import eventually
from tests.support.images import busybox_tar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.api.client import EngineProcess


# it leaves the sockets of streams to the collector
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    yield
    gc.collect()


@pytest.fixture(scope="module")
def client(engine: EngineProcess) -> Iterator[Any]:
    client = sdk.DockerClient(f"unix://{engine.socket}", timeout=30)
    yield client
    client.close()


class TestRun:
    def test_output(self, client: Any) -> None:
        assert client.containers.run("bb", ["echo", "hello"], remove=True) == b"hello\n"
        assert client.containers.run("bb", "sh -c 'echo err >&2'", remove=True, stderr=True, stdout=False) == b"err\n"

    def test_failures(self, client: Any) -> None:
        with pytest.raises(ContainerError) as failed:
            client.containers.run("bb", ["sh", "-c", "echo why >&2; exit 3"], remove=True)
        assert (failed.value.exit_status, failed.value.stderr) == (3, b"why\n")
        with pytest.raises(ImageNotFound):
            client.api.create_container("nosuch:1", "true")
        with pytest.raises(APIError) as refused:
            client.containers.run("bb", ["nosuch"], remove=True)
        assert "executable file not found" in refused.value.explanation

    def test_options(self, client: Any, name: str) -> None:
        out = client.containers.run(
            "bb",
            ["sh", "-c", "echo $A; id -u; pwd; hostname; ulimit -n; cat /proc/sys/net/core/somaxconn; touch /ro/x"],
            name=name,
            environment={"A": "1"},
            user="user",
            working_dir="/tmp",
            hostname="box",
            ulimits=[Ulimit(name="nofile", soft=99, hard=100)],
            sysctls={"net.core.somaxconn": "77"},
            mounts=[Mount("/ro", "/etc", type="bind", read_only=True)],
            tmpfs={"/t": "size=1m"},
            mem_limit="32m",
            nano_cpus=500_000_000,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            labels={"a": "b"},
            log_config=LogConfig(type="json-file", config={"max-size": "1m"}),
            stderr=False,
            detach=True,
        )
        assert out.wait(timeout=20)["StatusCode"] == 1
        assert out.logs(stdout=True, stderr=False) == b"1\n1000\n/tmp\nbox\n99\n77\n"
        assert b"Read-only file system" in out.logs(stdout=False)
        assert out.attrs["HostConfig"]["Memory"] == 32 << 20


class TestContainers:
    def test_a_life(self, client: Any, name: str) -> None:
        container = client.containers.run("bb", ["sleep", "60"], name=name, detach=True)
        assert client.containers.get(name).id == container.id
        assert container.short_id == container.id[:12]
        container.pause()
        container.reload()
        assert container.status == "paused"
        container.unpause()
        container.restart(timeout=0)
        container.rename(f"{name}-new")
        container.update(mem_limit="64m", memswap_limit="64m")
        assert container.top()["Processes"]
        assert container.stats(stream=False)["pids_stats"]["current"] == 1
        container.rename(name)
        container.kill()
        assert container.wait()["StatusCode"] == 137
        assert [c.name for c in client.containers.list(all=True, filters={"name": name, "status": "exited"})] == [name]
        container.remove()
        with pytest.raises(NotFound):
            client.containers.get(name)

    def test_exec(self, client: Any, name: str) -> None:
        container = client.containers.run("bb", ["sleep", "60"], name=name, detach=True)
        assert container.exec_run("echo x") == (0, b"x\n")
        code, (out, err) = container.exec_run(["sh", "-c", "echo o; echo e >&2; exit 5"], demux=True)
        assert (code, out, err) == (5, b"o\n", b"e\n")
        assert container.exec_run("id -u", user="1000").output == b"1000\n"
        assert b"".join(container.exec_run("cat /etc/passwd", stream=True).output).startswith(b"root:")
        assert container.exec_run("tty", tty=True).output == b"/dev/pts/0\r\n"
        _, stream = container.exec_run("cat", stdin=True, socket=True)
        with stream:
            stream._sock.sendall(b"hello\n")
            assert stream.read(14)[8:] == b"hello\n"

    def test_logs_and_attach(self, client: Any, name: str) -> None:
        container = client.containers.create("bb", ["sh", "-c", "echo a; sleep 0.3; echo b"], name=name)
        attached = container.attach(stream=True)
        container.start()
        assert b"".join(container.logs(stream=True, follow=True)) == b"a\nb\n"
        assert b"".join(attached) == b"a\nb\n"
        assert container.logs(tail=1) == b"b\n"
        assert container.logs(timestamps=True).split()[1] == b"a"

    def test_archives(self, client: Any, name: str) -> None:
        container = client.containers.create("bb", ["true"], name=name)
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            member = tarfile.TarInfo("x")
            member.size = 5
            archive.addfile(member, io.BytesIO(b"hello"))
        assert container.put_archive("/tmp", buffer.getvalue())
        chunks, stat = container.get_archive("/tmp/x")
        assert (stat["name"], stat["size"]) == ("x", 5)
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
            assert archive.getnames() == ["x"]
        assert {change["Path"] for change in container.diff()} == {"/tmp", "/tmp/x"}
        with tarfile.open(fileobj=io.BytesIO(b"".join(container.export()))) as archive:
            assert "tmp/x" in archive.getnames()

    def test_health(self, client: Any, name: str) -> None:
        check = Healthcheck(test=["CMD", "true"], interval=100_000_000)
        container = client.containers.run("bb", ["sleep", "60"], name=name, detach=True, healthcheck=check)
        eventually(lambda: (container.reload(), container.health)[1] == "healthy")

    def test_volumes_from_and_prune(self, client: Any, name: str) -> None:
        container = client.containers.create("bb", ["true"], name=name, labels={"of": name})
        assert client.containers.prune({"label": f"of={name}"})["ContainersDeleted"] == [container.id]


class TestImages:
    def test_all(self, client: Any, name: str) -> None:
        client.api.import_image_from_data(busybox_tar(), repository=name, tag="1")
        image = client.images.get(f"{name}:1")
        assert image.tag(name, "2")
        image.reload()
        assert sorted(image.tags) == [f"{name}:1", f"{name}:2"]
        assert image.history()
        data = b"".join(image.save(named=True))
        client.images.remove(f"{name}:1")
        client.images.remove(f"{name}:2")
        assert [loaded.id for loaded in client.images.load(data)] == [image.id]
        assert name not in [tag for each in client.images.list() for tag in each.tags]
        for tag in client.images.get(image.id).tags:
            client.images.remove(tag)

    def test_commit(self, client: Any, name: str) -> None:
        container = client.containers.create("bb", ["true"], name=name)
        image = container.commit(repository=f"{name}-image", tag="x", conf={"Cmd": ["echo", "committed"]})
        assert client.containers.run(image.id, remove=True) == b"committed\n"
        client.images.remove(image.id, force=True)


class TestVolumes:
    def test_all(self, client: Any, name: str) -> None:
        volume = client.volumes.create(name, labels={"a": "b"})
        assert client.volumes.get(name).attrs["Labels"] == {"a": "b"}
        client.containers.run("bb", ["touch", "/v/x"], volumes={name: {"bind": "/v", "mode": "rw"}}, remove=True)
        assert client.containers.run("bb", ["ls", "/v"], volumes=[f"{name}:/v:ro"], remove=True) == b"x\n"
        assert name in [each.name for each in client.volumes.list(filters={"label": "a"})]
        volume.remove()
        with pytest.raises(NotFound):
            client.volumes.get(name)
        client.volumes.create(name, labels={"of": name})
        assert client.volumes.prune({"all": "true", "label": f"of={name}"})["VolumesDeleted"] == [name]


def test_system(client: Any, engine: EngineProcess) -> None:
    assert client.ping()
    assert client.version()["ApiVersion"] == "1.51"
    assert client.info()["DockerRootDir"] == str(engine.root)
    assert {"Images", "Containers", "Volumes"} <= set(client.df())
    assert {network.name for network in client.networks.list()} == {"bridge", "host", "none"}


def test_events(client: Any, name: str) -> None:
    events = client.events(decode=True, filters={"container": name})
    timer = threading.Timer(0.3, lambda: client.containers.create("bb", ["true"], name=name).remove())
    timer.start()
    assert [next(events)["Action"] for _ in range(2)] == ["create", "destroy"]
    events.close()
    timer.join()
