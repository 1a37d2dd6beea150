"""/containers: attach, logs and stats. After the head, attach and logs leave Python: the client's socket is given to
the shim or to the log reader.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from estiba.api import wire
from estiba.api.hijack import refuse_plainly, stream_type, upgraded_head
from estiba.api.http import Reply
from estiba.api.wire_statistics import show_statistics
from estiba.engine.attachments import AttachRequest
from estiba.engine.logs import LogRequest
from estiba.errors import EstibaError

if TYPE_CHECKING:
    from estiba.api.http import Exchange
    from estiba.api.server import Api
    from estiba.engine.observation import StatisticsSample

SAMPLE_SECONDS = 1.0


async def attach(api: Api, exchange: Exchange) -> Reply | None:
    """POST /containers/ID/attach"""
    query = exchange.request.query
    request = AttachRequest(
        stdin=query.boolean("stdin"),
        stdout=query.boolean("stdout"),
        stderr=query.boolean("stderr"),
        logs=query.boolean("logs"),
        stream=query.boolean("stream"),
        detach_keys=query.text("detachKeys"),
    )
    engine = api.engine.containers
    try:
        container = await api.run(engine.attach_check, exchange.name, request)
    except EstibaError as error:
        await refuse_plainly(exchange, error)
        return None
    with api.attaching():
        taken = await exchange.take(upgraded_head(exchange, tty=container.config.tty))
        await api.give(taken, engine.attach, container.id, request, taken.descriptor, taken.first)
    return None


async def logs(api: Api, exchange: Exchange) -> Reply | None:
    """GET /containers/ID/logs"""
    query = exchange.request.query
    reader = api.engine.containers.logs
    chunked = exchange.request.http_version == "1.1"
    streams = {"stdout": query.boolean("stdout"), "stderr": query.boolean("stderr")}
    container = await api.run(reader.check, exchange.name, LogRequest(**streams))
    request = LogRequest(
        **streams,
        since=query.moment("since") or 0,
        until=query.moment("until") or 0,
        tail=query.lenient_integer("tail", -1),
        follow=query.boolean("follow"),
        timestamps=query.boolean("timestamps"),
        details=query.boolean("details"),
        chunked=chunked,
    )
    exchange.reusable = False
    coding = (("Transfer-Encoding", "chunked"),) if chunked else ()
    kind = stream_type(exchange, tty=container.config.tty)
    taken = await exchange.take(exchange.head(200, (("Content-Type", kind), *coding)))
    await api.give(taken, reader.read, container.id, request, taken.descriptor)
    return None


async def stats(api: Api, exchange: Exchange) -> Reply | None:
    """GET /containers/ID/stats"""
    query = exchange.request.query
    sample = await api.run(api.engine.containers.statistics, exchange.name)
    if query.boolean("stream", default=True):
        await _stream_statistics(api, exchange, sample)
        return None
    if query.boolean("one-shot"):
        return Reply(200, _line(sample, None, named=False))
    if sample.statistics is None:
        return Reply(200, _line(sample, None))
    await _pause(exchange, SAMPLE_SECONDS)
    following = await api.run(api.engine.containers.statistics, sample.container.id)
    return Reply(200, _line(following, sample))


async def _stream_statistics(api: Api, exchange: Exchange, sample: StatisticsSample) -> None:
    """A line a second while the client listens and the container exists."""
    await exchange.begin()
    before: StatisticsSample | None = None
    due = time.monotonic()
    while not exchange.gone.done():
        await exchange.write(_line(sample, before))
        due += SAMPLE_SECONDS
        await _pause(exchange, due - time.monotonic())
        before = sample
        try:
            sample = await api.run(api.engine.containers.statistics, sample.container.id)
        except EstibaError:
            break
    await exchange.end()


async def _pause(exchange: Exchange, seconds: float) -> None:
    """Sleep, but wake when the client hangs up."""
    if seconds > 0:
        await asyncio.wait({exchange.gone}, timeout=seconds)


def _line(sample: StatisticsSample, before: StatisticsSample | None, *, named: bool = True) -> bytes:
    earlier = before.statistics if before is not None else None
    return wire.encode(
        show_statistics(
            sample.statistics,
            sample.time,
            before=earlier if sample.statistics is not None else None,
            before_at=before.time if before is not None else 0,
            name=sample.container.name if named else "",
            container_id=sample.container.id if named else "",
        )
    )
