"""/containers: create, look at, list, and everything that changes a container's life."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from estiba.api import wire
from estiba.api.bodies import decode_body, read_json
from estiba.api.http import JSON, Reply
from estiba.api.wire_containers import show_container, show_entry
from estiba.engine.config import ContainerConfig, HostConfig, NetworkingConfig, ResourceUpdate, wire_name
from estiba.errors import EstibaError, InvalidArgument

if TYPE_CHECKING:
    from concurrent.futures import Future

    from estiba.api.http import Exchange
    from estiba.api.query import Filters
    from estiba.api.server import Api
    from estiba.engine.engine import Engine
    from estiba.engine.waiting import WaitResult

NO_CONTENT = Reply(204)
_EARLY_WAIT_HEADERS = (1, 30)
_MOST_DIGITS = 20
_LONGEST_NOTHING = 7  # `{}` and `null`, which clients of old send, and blanks


class CreateRequest(ContainerConfig, frozen=True, kw_only=True):
    """The body of POST /containers/create: a Config with two more keys."""

    host_config: HostConfig | None = None
    networking_config: NetworkingConfig | None = None


_CONFIG_KEYS = frozenset(wire_name(field).lower() for field in ContainerConfig.__struct_fields__)


def _create(engine: Engine, body: bytes, name: str, platform: str) -> bytes:
    value = wire.decode_json(body)
    request = wire.convert(value, CreateRequest)
    if not isinstance(value, dict) or not any(key.lower() in _CONFIG_KEYS for key in value):
        raise InvalidArgument("config cannot be empty in order to create a container")
    config = ContainerConfig(**{field: getattr(request, field) for field in ContainerConfig.__struct_fields__})
    creation = engine.containers.create(
        config,
        request.host_config or HostConfig(),
        request.networking_config or NetworkingConfig(),
        name=name,
        platform=platform,
    )
    return wire.encode({"Id": creation.id, "Warnings": list(creation.warnings)})


async def create(api: Api, exchange: Exchange) -> Reply:
    """POST /containers/create"""
    query = exchange.request.query
    body = await read_json(exchange, required=True)
    made = await api.work(_create, api.engine, body, query.text("name"), query.text("platform"))
    return Reply(201, made)


def _inspect(engine: Engine, name: str, size: bool) -> bytes:
    container = engine.containers.get(name)
    shown = show_container(
        container,
        storage=engine.containers.files.storage(container),
        exec_ids=engine.execs.of(container.id),
        sizes=engine.containers.sizes(container.id) if size else None,
    )
    return wire.encode(shown)


async def inspect(api: Api, exchange: Exchange) -> Reply:
    """GET /containers/ID/json"""
    size = exchange.request.query.boolean("size")
    # sizes are counted file by file
    call = api.work if size else api.run
    return Reply(200, await call(_inspect, api.engine, exchange.name, size))


def list_entries(engine: Engine, *, every: bool, limit: int, filters: Filters, size: bool) -> list[dict[str, Any]]:
    """The entries of a list of containers."""
    now = time.time_ns()
    images: dict[str, str] = {}

    def image_name(asked: str, image_id: str) -> str:
        # the name asked for, unless it means another image by now
        key = f"{asked} {image_id}"
        if key not in images:
            found = engine.images.find(asked)
            images[key] = asked if found is not None and found.id == image_id else image_id
        return images[key]

    return [
        show_entry(
            container,
            now,
            image_name(container.config.image, container.image),
            engine.containers.sizes(container.id) if size else None,
        )
        for container in engine.containers.list(all_containers=every, limit=limit, filters=filters)
    ]


def _list(engine: Engine, every: bool, limit: int, filters: Filters, size: bool) -> bytes:
    return wire.encode(list_entries(engine, every=every, limit=limit, filters=filters, size=size))


async def list_all(api: Api, exchange: Exchange) -> Reply:
    """GET /containers/json"""
    query = exchange.request.query
    filters = query.filters()
    limit = query.integer("limit") or 0
    every, size = query.boolean("all"), query.boolean("size")
    call = api.work if size else api.run
    return Reply(200, await call(_list, api.engine, every, limit, filters, size))


async def start(api: Api, exchange: Exchange) -> Reply:
    """POST /containers/ID/start"""
    if len(await exchange.body()) > _LONGEST_NOTHING:
        raise InvalidArgument(
            "starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24"
        )
    await api.attachments_registered()
    await api.run(api.engine.containers.start, exchange.name)
    return NO_CONTENT


async def _finished(future: Future[None]) -> Reply:
    """Wait for a stop or removal. It goes on even if the client hangs up."""
    await asyncio.shield(asyncio.wrap_future(future))
    return NO_CONTENT


async def stop(api: Api, exchange: Exchange) -> Reply:
    """POST /containers/ID/stop"""
    query = exchange.request.query
    engine = api.engine.containers
    future = await api.run(engine.stop, exchange.name, signal=query.text("signal"), timeout=query.integer("t"))
    return await _finished(future)


async def restart(api: Api, exchange: Exchange) -> Reply:
    """POST /containers/ID/restart"""
    query = exchange.request.query
    engine = api.engine.containers
    future = await api.run(engine.restart, exchange.name, signal=query.text("signal"), timeout=query.integer("t"))
    return await _finished(future)


async def remove(api: Api, exchange: Exchange) -> Reply:
    """DELETE /containers/ID"""
    query = exchange.request.query
    if query.boolean("link"):
        raise InvalidArgument("links of containers do not exist here: there is none to remove")
    force, volumes = query.boolean("force"), query.boolean("v")
    future = await api.run(api.engine.containers.remove, exchange.name, force=force, volumes=volumes)
    return await _finished(future)


async def kill(api: Api, exchange: Exchange) -> Reply:
    """POST /containers/ID/kill"""
    signal = exchange.request.query.text("signal") or "KILL"
    return await _finished(await api.run(api.engine.containers.kill, exchange.name, signal))


async def pause(api: Api, exchange: Exchange) -> Reply:
    """POST /containers/ID/pause"""
    await api.run(api.engine.containers.pause, exchange.name)
    return NO_CONTENT


async def unpause(api: Api, exchange: Exchange) -> Reply:
    """POST /containers/ID/unpause"""
    await api.run(api.engine.containers.unpause, exchange.name)
    return NO_CONTENT


async def rename(api: Api, exchange: Exchange) -> Reply:
    """POST /containers/ID/rename"""
    name = exchange.request.query.text("name")
    if not name:
        raise InvalidArgument("Neither old nor new names may be empty")
    await api.run(api.engine.containers.rename, exchange.name, name)
    return NO_CONTENT


async def update(api: Api, exchange: Exchange) -> Reply:
    """POST /containers/ID/update"""
    change = await decode_body(exchange, ResourceUpdate, "UpdateConfig")
    warnings = await api.run(api.engine.containers.update, exchange.name, change)
    return Reply(200, wire.encode({"Warnings": warnings or None}))


def terminal_size(exchange: Exchange) -> tuple[int, int]:
    """Rows and columns of a resize. Raises InvalidArgument."""
    sizes = []
    for word, key in (("height", "h"), ("width", "w")):
        text = exchange.request.query.text(key)
        if not text.isascii() or not text.removeprefix("-").isdigit():
            raise InvalidArgument(f'invalid resize {word} "{text}": invalid syntax')
        if len(text) > _MOST_DIGITS or not 0 <= int(text) < 1 << 32:
            raise InvalidArgument(f'invalid resize {word} "{text}": value out of range')
        sizes.append(min(int(text), 0xFFFF))
    return sizes[0], sizes[1]


async def resize(api: Api, exchange: Exchange) -> Reply:
    """POST /containers/ID/resize"""
    rows, columns = terminal_size(exchange)
    await api.run(api.engine.containers.resize, exchange.name, rows, columns)
    return Reply(200)


async def top(api: Api, exchange: Exchange) -> Reply:
    """GET /containers/ID/top"""
    found = await api.run(api.engine.containers.top, exchange.name, exchange.request.query.text("ps_args"))
    return Reply(200, wire.encode({"Titles": found.titles, "Processes": found.processes}))


async def changes(api: Api, exchange: Exchange) -> Reply:
    """GET /containers/ID/changes"""
    found = await api.work(api.engine.containers.files.changes, exchange.name)
    shown = [{"Path": change.path, "Kind": change.kind} for change in found]
    return Reply(200, wire.encode(shown or None))


async def prune(api: Api, exchange: Exchange) -> Reply:
    """POST /containers/prune"""
    pruned = await api.work(api.engine.containers.prune, exchange.request.query.filters())
    shown = {"ContainersDeleted": list(pruned.removed) or None, "SpaceReclaimed": pruned.reclaimed}
    return Reply(200, wire.encode(shown))


async def plan(api: Api, exchange: Exchange) -> Reply:
    """GET /estiba/containers/ID/plan: the launch plan, a line per operation."""
    return Reply(200, wire.encode({"Plan": await api.run(api.engine.containers.plan, exchange.name)}))


def _show_wait(result: WaitResult) -> dict[str, Any]:
    error = {"Error": {"Message": result.error}} if result.error else {}
    return {"StatusCode": result.exit_code} | error


async def wait(api: Api, exchange: Exchange) -> Reply | None:
    """POST /containers/ID/wait: the head at once, for clients start a container only after it."""
    condition = exchange.request.query.text("condition").strip() or "not-running"
    future = await api.run(api.engine.containers.wait, exchange.name, condition)
    ended: asyncio.Future[Any] = asyncio.wrap_future(future)
    if exchange.version >= _EARLY_WAIT_HEADERS:
        await exchange.begin(200, JSON)
    await asyncio.wait({ended, exchange.gone}, return_when=asyncio.FIRST_COMPLETED)
    if not ended.done():
        # the client hung up: nobody wants to know any more
        ended.cancel()
        exchange.cut()
        return None
    try:
        shown = _show_wait(ended.result())
    except EstibaError as error:
        shown = {"StatusCode": 0, "Error": {"Message": error.message}}
    if exchange.version < _EARLY_WAIT_HEADERS:
        return Reply(200, wire.encode({"StatusCode": shown["StatusCode"]}))
    await exchange.write(wire.encode(shown))
    await exchange.end()
    return None
