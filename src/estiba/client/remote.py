"""The backend at the end of a socket: the Docker Engine API of any engine that speaks it."""

from __future__ import annotations

import json
import socket
import threading
from concurrent.futures import Future
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from estiba.client.backend import ContainerInfo, EventInfo, ImageInfo, VolumeInfo
from estiba.client.engine import Client
from estiba.client.transport import ResponseError
from estiba.errors import (
    Conflict,
    EstibaError,
    Forbidden,
    InvalidArgument,
    NotFound,
    NotModified,
    StartFailed,
    SystemFailure,
    Unavailable,
    Unsupported,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from estiba.client.transport import Response
    from estiba.engine.config import ContainerConfig, ExecConfig, HostConfig


_ERRORS: dict[int, type[EstibaError]] = {
    304: NotModified,
    400: InvalidArgument,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    501: Unsupported,
    503: Unavailable,
}
_NOT_FOUND = ("executable file not found", "no such file or directory", "not a directory")
_NOT_ALLOWED = ("permission denied", "is a directory")


class _Client(Client):
    """Answers of the engine as errors of the one tree."""

    def request(self, *arguments: Any, **options: Any) -> Response:
        try:
            return super().request(*arguments, **options)
        except ResponseError as error:
            raise typed_error(error.status, error.message) from None

    def hijack(self, *arguments: Any, **options: Any) -> Any:
        try:
            return super().hijack(*arguments, **options)
        except ResponseError as error:
            raise typed_error(error.status, error.message) from None


def typed_error(status: int, message: str) -> EstibaError:
    """The error that an engine in this process would have raised. What a start failed with is in its words."""
    if "failed to create task for container" in message:
        lowered = message.lower()
        code = 126 if any(word in lowered for word in _NOT_ALLOWED) else 128
        if code == 128 and any(word in lowered for word in _NOT_FOUND):
            code = 127
        return StartFailed(message, exit_code=code, status=status)
    return _ERRORS.get(status, SystemFailure)(message)


class RemoteBackend:
    """An engine at an address like unix:///run/estiba.sock. Thread-safe: each thread has a connection of its own."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._local = threading.local()
        self._clients: list[Client] = []
        self._client.version  # noqa: B018 - asks the engine: an address where none answers is an error now

    @property
    def _client(self) -> Client:
        client: Client | None = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = _Client(self._host)
            self._clients.append(client)
        return client

    def create(self, config: ContainerConfig, host: HostConfig, name: str, platform: str) -> str:
        body = {**msgspec.to_builtins(config), "HostConfig": msgspec.to_builtins(host)}
        query = {"name": name or None, "platform": platform or None}
        try:
            return str(self._client.post("/containers/create", query, body)["Id"])
        except EstibaError as error:
            if error.status != 404:
                raise
            self._pull(config.image)
            return str(self._client.post("/containers/create", query, body)["Id"])

    def _pull(self, image: str) -> None:
        name, _, tag = image.rpartition(":") if ":" in image.rsplit("/", 1)[-1] else (image, "", "latest")
        reply = self._client.request("POST", "/images/create", {"fromImage": name, "tag": tag})
        for line in self._client.objects(reply):
            if "error" in line:
                raise NotFound(str(line["error"]))

    def start(self, container_id: str) -> None:
        self._client.post(f"/containers/{container_id}/start")

    def attach(self, container_id: str, *, stdin: bool, logs: bool = False) -> socket.socket:
        query = {"stream": 1, "stdout": 1, "stderr": 1, "stdin": int(stdin), "logs": int(logs)}
        return self._hijack(f"/containers/{container_id}/attach", query)

    def wait(self, container_id: str, condition: str) -> Future[int]:
        """Answered by a thread; the engine has registered the wait when this returns."""
        future: Future[int] = Future()
        client = _Client(self._host)
        reply = client.request("POST", f"/containers/{container_id}/wait", {"condition": condition})

        def read() -> None:
            try:
                code = int(json.loads(reply.read())["StatusCode"])
            except (EstibaError, OSError, ValueError, KeyError) as error:
                if future.set_running_or_notify_cancel():
                    future.set_exception(SystemFailure(f"lost the engine while waiting for {container_id}: {error}"))
            else:
                if future.set_running_or_notify_cancel():
                    future.set_result(code)
            finally:
                reply.close()
                client.close()

        threading.Thread(target=read, name="estiba-wait", daemon=True).start()
        return future

    def kill(self, container_id: str, signal: str) -> None:
        self._client.post(f"/containers/{container_id}/kill", {"signal": signal})

    def stop(self, container_id: str, timeout: int | None) -> None:
        self._client.post(f"/containers/{container_id}/stop", {"t": timeout})

    def restart(self, container_id: str, timeout: int | None) -> None:
        self._client.post(f"/containers/{container_id}/restart", {"t": timeout})

    def pause(self, container_id: str) -> None:
        self._client.post(f"/containers/{container_id}/pause")

    def unpause(self, container_id: str) -> None:
        self._client.post(f"/containers/{container_id}/unpause")

    def rename(self, container_id: str, name: str) -> None:
        self._client.post(f"/containers/{container_id}/rename", {"name": name})

    def remove(self, container_id: str, *, force: bool, volumes: bool) -> None:
        self._client.delete(f"/containers/{container_id}", {"force": int(force), "v": int(volumes)})

    def resize(self, container_id: str, rows: int, columns: int) -> None:
        self._client.post(f"/containers/{container_id}/resize", {"h": rows, "w": columns})

    def inspect(self, reference: str) -> ContainerInfo:
        return _container(self._client.get(f"/containers/{reference}/json"))

    def list(self, *, everything: bool, filters: Mapping[str, Sequence[str]]) -> Sequence[ContainerInfo]:
        query = {"all": int(everything), "filters": json.dumps({key: list(values) for key, values in filters.items()})}
        return [self.inspect(entry["Id"]) for entry in self._client.get("/containers/json", query)]

    def logs(self, container_id: str, *, follow: bool, tail: int, timestamps: bool) -> socket.socket:
        query = {
            "stdout": 1,
            "stderr": 1,
            "follow": int(follow),
            "timestamps": int(timestamps),
            "tail": "all" if tail < 0 else tail,
        }
        client = _Client(self._host)
        reply = client.request("GET", f"/containers/{container_id}/logs", query)
        ours, theirs = socket.socketpair()

        def copy() -> None:
            with theirs:
                try:
                    for block in reply.blocks():
                        theirs.sendall(block)
                except (EstibaError, OSError):
                    pass  # the reader sees the end
            reply.close()
            client.close()

        threading.Thread(target=copy, name="estiba-logs", daemon=True).start()
        return ours

    def exec_create(self, container_id: str, config: ExecConfig) -> str:
        return str(self._client.post(f"/containers/{container_id}/exec", None, msgspec.to_builtins(config))["Id"])

    def exec_start(self, exec_id: str) -> socket.socket:
        return self._hijack(f"/exec/{exec_id}/start", None, {"Detach": False, "Tty": False})

    def exec_exit_code(self, exec_id: str) -> int | None:
        code = self._client.get(f"/exec/{exec_id}/json")["ExitCode"]
        return None if code is None else int(code)

    def export(self, container_id: str) -> Iterator[bytes]:
        return self._blocks(f"/containers/{container_id}/export", None)

    def copy_out(self, container_id: str, path: str) -> Iterator[bytes]:
        return self._blocks(f"/containers/{container_id}/archive", {"path": path})

    def copy_in(self, container_id: str, path: str, blocks: Iterable[bytes]) -> None:
        query = {"path": path}
        self._client.finish(self._client.request("PUT", f"/containers/{container_id}/archive", query, upload=blocks))

    def commit(self, container_id: str, repository: str, tag: str) -> str:
        return str(self._client.post("/commit", {"container": container_id, "repo": repository, "tag": tag})["Id"])

    def images(self) -> Sequence[ImageInfo]:
        return [self.image(entry["Id"]) for entry in self._client.get("/images/json")]

    def image(self, name: str) -> ImageInfo:
        found = self._client.get(f"/images/{name}/json")
        labels = (found.get("Config") or {}).get("Labels") or {}
        return ImageInfo(found["Id"], tuple(found["RepoTags"] or ()), found["Size"], found["Created"], labels)

    def load(self, blocks: Iterable[bytes]) -> Sequence[str]:
        reply = self._client.request("POST", "/images/load", {"quiet": 1}, upload=blocks)
        told = [line.get("stream", "") for line in _checked(self._client.objects(reply))]
        return [text.split(": ", 1)[1].strip() for text in told if text.startswith("Loaded image")]

    def save(self, names: Sequence[str]) -> Iterator[bytes]:
        return self._blocks("/images/get", {"names": list(names)})

    def import_archive(self, blocks: Iterable[bytes], reference: str) -> str:
        query = {"fromSrc": "-", "repo": reference}
        reply = self._client.request("POST", "/images/create", query, upload=blocks)
        return str([line["status"] for line in _checked(self._client.objects(reply)) if "status" in line][-1])

    def tag(self, name: str, repository: str, tag: str) -> None:
        self._client.post(f"/images/{name}/tag", {"repo": repository, "tag": tag})

    def remove_image(self, name: str, *, force: bool) -> None:
        self._client.delete(f"/images/{name}", {"force": int(force)})

    def volumes(self) -> Sequence[VolumeInfo]:
        return [_volume(found) for found in self._client.get("/volumes")["Volumes"] or ()]

    def create_volume(self, name: str, labels: Mapping[str, str]) -> VolumeInfo:
        return _volume(self._client.post("/volumes/create", None, {"Name": name, "Labels": dict(labels)}))

    def remove_volume(self, name: str, *, force: bool) -> None:
        self._client.delete(f"/volumes/{name}", {"force": int(force)})

    def events(self, since: float | None) -> Iterator[EventInfo]:
        client = _Client(self._host)
        reply = client.request("GET", "/events", {"since": None if since is None else f"{since:.9f}"})
        try:
            for found in client.objects(reply):
                actor = found["Actor"]
                yield EventInfo(
                    found["Type"], found["Action"], actor["ID"], actor["Attributes"], found["timeNano"] / 1e9
                )
        finally:
            client.close()

    def info(self) -> dict[str, Any]:
        found: dict[str, Any] = self._client.get("/info")
        return found

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def _hijack(self, target: str, query: dict[str, Any] | None, body: object = None) -> socket.socket:
        raw, first = self._client.hijack(target, query, body)
        connection = socket.socket(fileno=raw.detach())
        return _with_first(connection, first) if first else connection

    def _blocks(self, target: str, query: dict[str, Any] | None) -> Iterator[bytes]:
        client = _Client(self._host)
        reply = client.request("GET", target, query)

        def read() -> Iterator[bytes]:
            try:
                yield from reply.blocks()
            finally:
                reply.close()
                client.close()

        return read()


def _with_first(connection: socket.socket, first: bytes) -> socket.socket:
    """A socket that begins with bytes that were already read: both directions are copied by threads."""
    ours, theirs = socket.socketpair()

    def copy(source: socket.socket, target: socket.socket, head: bytes = b"") -> None:
        try:
            target.sendall(head)
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # one side went away: the other notices

    workers: tuple[Callable[[], None], ...] = (
        lambda: copy(connection, theirs, first),
        lambda: copy(theirs, connection),
    )
    for worker in workers:
        threading.Thread(target=worker, name="estiba-stream", daemon=True).start()
    return ours


def _checked(lines: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if "error" in line:
            raise SystemFailure(str(line["error"]))
        yield line


def _container(found: dict[str, Any]) -> ContainerInfo:
    state, config = found["State"], found["Config"]
    return ContainerInfo(
        id=found["Id"],
        name=found["Name"].removeprefix("/"),
        image=config["Image"],
        image_id=found["Image"],
        command=(found["Path"], *found["Args"]),
        status=state["Status"],
        exit_code=state["ExitCode"],
        error=state["Error"],
        pid=state["Pid"],
        created=_seconds(found["Created"]),
        tty=config["Tty"],
        labels=config["Labels"] or {},
        health=(state.get("Health") or {}).get("Status", ""),
    )


def _volume(found: dict[str, Any]) -> VolumeInfo:
    return VolumeInfo(found["Name"], found["Mountpoint"], found["Labels"] or {})


def _seconds(text: str) -> float:
    whole, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction or 0}")
