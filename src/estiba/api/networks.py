"""/networks: the three that always exist, until others can be made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from estiba.api import wire
from estiba.api.bodies import decode_body
from estiba.api.http import Reply
from estiba.api.wire_objects import show_network
from estiba.engine.config import wire_name
from estiba.errors import Forbidden, InvalidArgument, Unsupported

if TYPE_CHECKING:
    from estiba.api.http import Exchange
    from estiba.api.query import Filters
    from estiba.api.server import Api
    from estiba.engine.engine import Engine

FIXED = frozenset({"bridge", "host", "none"})
PRUNE_FILTERS = frozenset({"label", "label!", "until"})


class CreateRequest(msgspec.Struct, frozen=True, kw_only=True, rename=wire_name):
    """What is read of POST /networks/create."""

    name: str = ""


class ConnectRequest(msgspec.Struct, frozen=True, kw_only=True, rename=wire_name):
    """What is read of POST /networks/NAME/connect and disconnect."""

    container: str = ""


def _list(engine: Engine, filters: Filters) -> bytes:
    return wire.encode([show_network(network) for network in engine.networks.list(filters)])


async def list_all(api: Api, exchange: Exchange) -> Reply:
    """GET /networks"""
    return Reply(200, await api.run(_list, api.engine, exchange.request.query.filters()))


async def inspect(api: Api, exchange: Exchange) -> Reply:
    """GET /networks/NAME"""
    return Reply(200, wire.encode(show_network(await api.run(api.engine.networks.get, exchange.name))))


async def remove(api: Api, exchange: Exchange) -> Reply:
    """DELETE /networks/NAME"""
    network = await api.run(api.engine.networks.get, exchange.name)
    raise Forbidden(f"{network.name} is a pre-defined network and cannot be removed")


async def create(_api: Api, exchange: Exchange) -> Reply:
    """POST /networks/create"""
    request = await decode_body(exchange, CreateRequest, "NetworkCreate")
    if not request.name:
        raise InvalidArgument("invalid name: name is empty")
    if request.name in FIXED:
        raise Forbidden(f"operation is not permitted on predefined {request.name} network ")
    raise Unsupported(
        f"cannot create network {request.name}: user-defined networks are not supported yet; use --network none or host"
    )


def _both(engine: Engine, network: str, container: str) -> tuple[str, str]:
    return engine.networks.get(network).name, engine.containers.get(container).name


async def connect(api: Api, exchange: Exchange) -> Reply:
    """POST /networks/NAME/connect"""
    request = await decode_body(exchange, ConnectRequest, "ConnectOptions")
    network, container = await api.run(_both, api.engine, exchange.name, request.container)
    if network == "host":
        raise InvalidArgument(
            "cannot connect container to host network - container must be created in host network mode"
        )
    raise Unsupported(
        f"cannot connect container {container} to network {network}: networks cannot be changed after create yet"
    )


async def disconnect(api: Api, exchange: Exchange) -> Reply:
    """POST /networks/NAME/disconnect"""
    request = await decode_body(exchange, ConnectRequest, "DisconnectOptions")
    network, container = await api.run(_both, api.engine, exchange.name, request.container)
    raise Unsupported(
        f"cannot disconnect container {container} from network {network}: networks cannot be changed after create yet"
    )


async def prune(_api: Api, exchange: Exchange) -> Reply:
    """POST /networks/prune: the fixed ones stay."""
    for key in exchange.request.query.filters():
        if key not in PRUNE_FILTERS:
            raise InvalidArgument(f"invalid filter '{key}'")
    shown: dict[str, Any] = {"NetworksDeleted": None}
    return Reply(200, wire.encode(shown))
