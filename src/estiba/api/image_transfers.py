"""/images: archives in and out, images made from this machine, and what registries will do."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import msgspec

from estiba.api import wire
from estiba.api.bodies import decode_body
from estiba.api.container_files import TAR, stream_out
from estiba.api.progress import error_line, with_progress
from estiba.engine.config import wire_name
from estiba.errors import InvalidArgument, NotFound, Unsupported
from estiba.oci.reference import parse

if TYPE_CHECKING:
    from threading import Event
    from typing import Any, BinaryIO

    from estiba.api.http import Exchange
    from estiba.api.server import Api
    from estiba.images.progress import Report


class FromHostRequest(msgspec.Struct, frozen=True, kw_only=True, rename=wire_name):
    """The body of POST /estiba/images/from-host."""

    programs: list[str] = []


async def save(api: Api, exchange: Exchange) -> None:
    """GET /images/get and /images/NAME/get"""
    query, images = exchange.request.query, api.engine.images
    names = [exchange.name] if exchange.name else query.texts("names")
    platform = query.platform()
    await api.run(images.save_check, names, platform)
    with api.cancel_token(exchange) as cancel:
        await stream_out(api, exchange, TAR, lambda out: images.save(names, out, cancel))


async def load(api: Api, exchange: Exchange) -> None:
    """POST /images/load: also what is no archive is answered by 200 and a line that says so."""
    quiet, platform = exchange.request.query.boolean("quiet"), exchange.request.query.platform()
    with api.cancel_token(exchange) as cancel:
        source = exchange.body_reader()

        def work(report: Report) -> bool:
            with source:
                api.engine.images.load(cast("BinaryIO", source), report, cancel, quiet=quiet, platform=platform)
            return True

        if await with_progress(api, exchange, work, always_begin=True):
            if not exchange.started:
                await exchange.begin()
            await exchange.end()


async def create(api: Api, exchange: Exchange) -> None:
    """POST /images/create: import an archive, or pull."""
    source = exchange.request.query.text("fromSrc")
    if exchange.request.query.text("fromImage"):
        await _pull(api, exchange)
    elif source == "-":
        with api.cancel_token(exchange) as cancel:
            await _import(api, exchange, cancel)
    else:
        raise Unsupported("cannot import from an address: download the archive and import it from standard input")


async def _pull(api: Api, exchange: Exchange) -> None:
    query = exchange.request.query
    name, tag = query.text("fromImage"), query.text("tag")
    await api.work(api.engine.images.pull, name, tag)
    reference = parse(name)
    tagged = reference.with_tag(tag) if tag else reference.with_default_tag()
    await _end_with(exchange, {"status": f"Status: Image is up to date for {tagged.familiar}"})


async def _import(api: Api, exchange: Exchange, cancel: Event) -> None:
    query = exchange.request.query
    reference = query.text("repo") + (f":{query.text('tag')}" if query.text("tag") else "")
    source = exchange.body_reader()

    def work(report: Report) -> str:
        with source:
            return api.engine.images.import_archive(
                cast("BinaryIO", source),
                reference=reference,
                changes=query.texts("changes"),
                message=query.text("message"),
                platform=query.text("platform"),
                report=report,
                cancel=cancel,
            ).id

    image_id = await with_progress(api, exchange, work)
    if image_id is not None:
        await _end_with(exchange, {"status": image_id})


async def _end_with(exchange: Exchange, line: dict[str, Any]) -> None:
    """The last line of a progress stream, which may be its only one."""
    if not exchange.started:
        await exchange.begin()
    await exchange.write(wire.encode_line(line))
    await exchange.end()


async def push(api: Api, exchange: Exchange) -> None:
    """POST /images/NAME/push: Docker answers by 200 and a line, whatever is wrong."""
    tag = exchange.request.query.text("tag")
    reference = parse(exchange.name)
    tagged = reference.with_tag(tag) if tag else reference.with_default_tag()
    await exchange.begin()
    await exchange.write(wire.encode_line({"status": f"The push refers to repository [{reference.name}]"}))
    try:
        await api.run(api.engine.images.get, tagged.familiar)
    except NotFound:
        message = f"An image does not exist locally with the tag: {reference.familiar_name}"
    else:
        message = f"cannot push {tagged.familiar}: registries are not supported yet; `docker save` it instead"
    await exchange.write(error_line(message))
    await exchange.end()


async def from_host(api: Api, exchange: Exchange) -> None:
    """POST /estiba/images/from-host: an image of programs of this machine and what they load."""
    request = await decode_body(exchange, FromHostRequest, "FromHostRequest")
    reference = exchange.request.query.text("reference")
    if not request.programs:
        raise InvalidArgument("no program given: name at least one, as a path or as a command")

    def work(report: Report) -> str:
        return api.engine.images.from_host(request.programs, reference, report).id

    image_id = await with_progress(api, exchange, work)
    if image_id is not None:
        await _end_with(exchange, {"aux": {"ID": image_id}})
