"""Questions about the engine as a whole: ping, version, info, disk usage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from estiba.api import wire
from estiba.api.http import Reply
from estiba.api.wire_system import KINDS, show_disk_usage, show_info, show_version
from estiba.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Collection

    from estiba.api.http import Exchange
    from estiba.api.server import Api
    from estiba.engine.engine import Engine

# 2 would make clients build with BuildKit
BUILDER_VERSION = "1"
_PING = (
    ("Builder-Version", BUILDER_VERSION),
    ("Cache-Control", "no-cache, no-store, must-revalidate"),
    ("Pragma", "no-cache"),
    ("Swarm", "inactive"),
)
_TEXT = "text/plain; charset=utf-8"


async def ping(_api: Api, exchange: Exchange) -> Reply:
    """GET and HEAD /_ping"""
    if exchange.request.method == "HEAD":
        return Reply(200, headers=(*_PING, ("Content-Type", _TEXT)))
    return Reply(200, b"OK", _TEXT, _PING)


async def version(_api: Api, _exchange: Exchange) -> Reply:
    """GET /version"""
    return Reply(200, wire.encode(show_version()))


def _info(engine: Engine, listeners: int) -> bytes:
    return wire.encode(show_info(engine.system.info(), listeners))


async def info(api: Api, _exchange: Exchange) -> Reply:
    """GET /info"""
    return Reply(200, await api.run(_info, api.engine, api.event_listeners))


def _disk_usage(engine: Engine, kinds: Collection[str]) -> bytes:
    return wire.encode(show_disk_usage(engine.system.disk_usage(), kinds))


async def disk_usage(api: Api, exchange: Exchange) -> Reply:
    """GET /system/df"""
    kinds = exchange.request.query.texts("type") or list(KINDS)
    for kind in kinds:
        if kind not in KINDS:
            raise InvalidArgument(f"unknown object type: {kind}")
    return Reply(200, await api.work(_disk_usage, api.engine, kinds))
