"""/containers: files in and out as tar streams, export, and the image made from a container."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, cast

from estiba.api import wire
from estiba.api.bodies import DECODED_BYTES, read_json
from estiba.api.http import Reply
from estiba.engine.config import ContainerConfig
from estiba.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from estiba.api.http import Exchange
    from estiba.api.server import Api
    from estiba.engine.files import PathStat

TAR = "application/x-tar"
OCTETS = "application/octet-stream"
STAT_HEADER = "X-Docker-Container-Path-Stat"


def _path(exchange: Exchange) -> str:
    path = exchange.request.query.text("path")
    if not path:
        raise InvalidArgument("bad parameter: pathcannot be empty")
    return path


def _stat_header(stat: PathStat) -> tuple[tuple[str, str], ...]:
    shown = {
        "name": stat.name,
        "size": stat.size,
        "mode": stat.mode,
        "mtime": stat.mtime,
        "linkTarget": stat.link_target,
    }
    return ((STAT_HEADER, base64.b64encode(wire.encode(shown)[:-1]).decode()),)


async def stream_out(
    api: Api,
    exchange: Exchange,
    content_type: str,
    produce: Callable[[BinaryIO], object],
    headers: tuple[tuple[str, str], ...] = (),
) -> None:
    """A reply that a worker thread writes. An early error becomes an error reply, a later one cuts the reply."""
    writer = exchange.writer(content_type, headers)

    def work() -> None:
        with writer:
            produce(cast("BinaryIO", writer))
            writer.finish()

    try:
        await api.transfer(work)
    finally:
        exchange.started = writer.started


async def archive_stat(api: Api, exchange: Exchange) -> Reply:
    """HEAD /containers/ID/archive"""
    stat = await api.run(api.engine.containers.files.stat, exchange.name, _path(exchange))
    return Reply(200, headers=_stat_header(stat))


async def archive_get(api: Api, exchange: Exchange) -> None:
    """GET /containers/ID/archive"""
    path, files = _path(exchange), api.engine.containers.files
    stat = await api.run(files.stat, exchange.name, path)
    await stream_out(api, exchange, TAR, lambda out: files.get(exchange.name, path, out), _stat_header(stat))


async def archive_put(api: Api, exchange: Exchange) -> Reply:
    """PUT /containers/ID/archive"""
    query, files = exchange.request.query, api.engine.containers.files
    path = _path(exchange)
    await api.run(api.engine.containers.get, exchange.name)
    keep_kinds, owners = query.boolean("noOverwriteDirNonDir"), query.boolean("copyUIDGID")
    source = exchange.body_reader()

    def work() -> None:
        with source:
            files.put(
                exchange.name, path, cast("BinaryIO", source), no_overwrite_dir_non_dir=keep_kinds, copy_uid_gid=owners
            )

    await api.transfer(work)
    return Reply(200)


async def export(api: Api, exchange: Exchange) -> None:
    """GET /containers/ID/export"""
    await api.run(api.engine.containers.get, exchange.name)
    files = api.engine.containers.files
    await stream_out(api, exchange, OCTETS, lambda out: files.export(exchange.name, out))


async def commit(api: Api, exchange: Exchange) -> Reply:
    """POST /commit"""
    query = exchange.request.query
    body = await read_json(exchange, limit=DECODED_BYTES)
    config = wire.convert(wire.decode_json(body), ContainerConfig, "Config") if body else None
    image_id = await api.work(
        api.engine.containers.commit,
        query.text("container"),
        repository=query.text("repo"),
        tag=query.text("tag"),
        author=query.text("author"),
        comment=query.text("comment"),
        changes=query.texts("changes"),
        pause=query.boolean("pause", default=True),
        config=config,
    )
    return Reply(201, wire.encode({"Id": image_id}))
