"""/volumes"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from estiba.api import wire
from estiba.api.bodies import decode_body
from estiba.api.http import Reply
from estiba.api.wire_objects import show_volume
from estiba.engine.config import wire_name
from estiba.errors import InvalidArgument

if TYPE_CHECKING:
    from estiba.api.http import Exchange
    from estiba.api.query import Filters
    from estiba.api.server import Api
    from estiba.engine.engine import Engine


class CreateRequest(msgspec.Struct, frozen=True, kw_only=True, rename=wire_name):
    """The body of POST /volumes/create."""

    name: str = ""
    driver: str = ""
    driver_opts: dict[str, str] | None = None
    labels: dict[str, str] | None = None


async def create(api: Api, exchange: Exchange) -> Reply:
    """POST /volumes/create"""
    request = await decode_body(exchange, CreateRequest, "CreateOptions")
    volume = await api.run(
        api.engine.volumes.create,
        request.name,
        driver=request.driver,
        options=request.driver_opts,
        labels=request.labels,
    )
    return Reply(201, wire.encode(show_volume(volume)))


async def inspect(api: Api, exchange: Exchange) -> Reply:
    """GET /volumes/NAME"""
    return Reply(200, wire.encode(show_volume(await api.run(api.engine.volumes.get, exchange.name))))


def _list(engine: Engine, filters: Filters) -> bytes:
    shown = [show_volume(volume) for volume in engine.volumes.list(filters)]
    return wire.encode({"Volumes": shown, "Warnings": None})


async def list_all(api: Api, exchange: Exchange) -> Reply:
    """GET /volumes"""
    try:
        filters = exchange.request.query.filters()
    except InvalidArgument as error:
        raise InvalidArgument(f"error reading volume filters: {error.message}") from None
    return Reply(200, await api.run(_list, api.engine, filters))


async def remove(api: Api, exchange: Exchange) -> Reply:
    """DELETE /volumes/NAME"""
    # the data of a volume may be large
    await api.work(api.engine.volumes.remove, exchange.name, force=exchange.request.query.boolean("force"))
    return Reply(204)


async def prune(api: Api, exchange: Exchange) -> Reply:
    """POST /volumes/prune"""
    pruned = await api.work(api.engine.volumes.prune, exchange.request.query.filters())
    shown = {"VolumesDeleted": list(pruned.removed), "SpaceReclaimed": pruned.reclaimed}
    return Reply(200, wire.encode(shown))
