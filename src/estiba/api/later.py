"""Pages whose objects come later: registries, builds, plugins, swarm. Lists and prunes are empty, the rest is refused
with a sentence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from estiba.api import wire
from estiba.api.http import Reply
from estiba.errors import EstibaError, InvalidArgument, NotFound, SystemFailure, Unavailable, Unsupported

if TYPE_CHECKING:
    from estiba.api.http import Exchange
    from estiba.api.router import Handler
    from estiba.api.server import Api

NOT_A_MANAGER = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and'
    " try again."
)


def refusal(error: EstibaError) -> Handler:
    """A page that always answers with this error."""

    async def refuse(_api: Api, _exchange: Exchange) -> Reply:
        raise type(error)(error.message)

    return refuse


def constant(value: object) -> Handler:
    """A page that always answers with this value."""
    body = wire.encode(value)

    async def answer(_api: Api, _exchange: Exchange) -> Reply:
        return Reply(200, body)

    return answer


async def plugin(_api: Api, exchange: Exchange) -> Reply:
    """GET /plugins/NAME/json"""
    raise NotFound(f'plugin "{exchange.name}" not found')


swarm = refusal(Unavailable(NOT_A_MANAGER))
cluster_volume = refusal(Unavailable("volume update only valid for cluster volumes, but swarm is unavailable"))
swarm_leave = refusal(Unavailable("This node is not part of a swarm"))
swarm_init = refusal(Unsupported("cannot start a swarm: this engine works on one machine"))
build = refusal(
    Unsupported("cannot build images yet: build with another engine, then `docker load` the image saved from there")
)
registry = refusal(
    Unsupported("cannot talk to registries yet: bring images as archives, with `docker load` or `docker import`")
)
plugins_change = refusal(Unsupported("cannot manage plugins: this engine has none"))
build_prune = constant({"CachesDeleted": None, "SpaceReclaimed": 0})
no_plugins = constant([])
session = refusal(InvalidArgument("no upgrade proto in request"))
grpc = refusal(SystemFailure("no upgrade proto in request"))
attach_websocket = refusal(Unsupported("cannot attach by websocket yet: use POST /containers/ID/attach"))
