"""/images: look at, list, tag and remove."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from estiba.api import wire
from estiba.api.http import Reply
from estiba.api.wire_images import show_history, show_image, show_image_entry, show_removals

if TYPE_CHECKING:
    from estiba.api.http import Exchange
    from estiba.api.query import Filters
    from estiba.api.server import Api
    from estiba.engine.engine import Engine


# clients of older versions expect a placeholder where an image has no name
_UNNAMED_SINCE = (1, 43)
_COUNTED_SINCE = (1, 51)


def _list(engine: Engine, every: bool, filters: Filters, shared: bool, version: tuple[int, ...]) -> bytes:
    images = engine.images.list(all_images=every, filters=filters)
    sizes = engine.images.shared_sizes(images) if shared else {}
    uses = Counter(container.image for container in engine.containers.list(all_containers=True))
    counted = version >= _COUNTED_SINCE
    shown = [
        show_image_entry(
            image, containers=uses[image.id] if counted else -1, shared_size=sizes.get(image.id, -1), version=version
        )
        for image in images
    ]
    for entry in shown:
        if version < _UNNAMED_SINCE and not entry["RepoTags"] and not entry["RepoDigests"]:
            entry |= {"RepoTags": ["<none>:<none>"], "RepoDigests": ["<none>@<none>"]}
    return wire.encode(shown)


async def list_all(api: Api, exchange: Exchange) -> Reply:
    """GET /images/json"""
    query = exchange.request.query
    filters = query.filters()
    if query.text("filter"):
        filters.setdefault("reference", []).append(query.text("filter"))
    every, shared = query.boolean("all"), query.boolean("shared-size")
    return Reply(200, await api.run(_list, api.engine, every, filters, shared, exchange.version))


def _inspect(engine: Engine, name: str, platform: str, version: tuple[int, ...]) -> bytes:
    image = engine.images.for_platform(name, platform)
    return wire.encode(show_image(image, engine.images.storage(image), version))


async def inspect(api: Api, exchange: Exchange) -> Reply:
    """GET /images/NAME/json"""
    platform = exchange.request.query.platform()
    return Reply(200, await api.run(_inspect, api.engine, exchange.name, platform, exchange.version))


async def history(api: Api, exchange: Exchange) -> Reply:
    """GET /images/NAME/history"""
    platform = exchange.request.query.platform()
    await api.run(api.engine.images.for_platform, exchange.name, platform)
    entries = await api.run(api.engine.images.history, exchange.name)
    return Reply(200, wire.encode(show_history(entries)))


async def tag(api: Api, exchange: Exchange) -> Reply:
    """POST /images/NAME/tag"""
    query = exchange.request.query
    if not query.text("repo"):
        # nothing to do, says Docker
        return Reply(200)
    await api.run(api.engine.images.tag, exchange.name, query.text("repo"), query.text("tag"))
    return Reply(201)


async def remove(api: Api, exchange: Exchange) -> Reply:
    """DELETE /images/NAME"""
    query = exchange.request.query
    removals = await api.work(
        api.engine.images.remove, exchange.name, force=query.boolean("force"), prune=not query.boolean("noprune")
    )
    return Reply(200, wire.encode(show_removals(removals)))


async def prune(api: Api, exchange: Exchange) -> Reply:
    """POST /images/prune"""
    pruned = await api.work(api.engine.images.prune, exchange.request.query.filters())
    removed = show_removals(pruned.removals)
    return Reply(200, wire.encode({"ImagesDeleted": removed or None, "SpaceReclaimed": pruned.reclaimed}))
