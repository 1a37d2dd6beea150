"""/exec and /containers/ID/exec: additional processes in running containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from estiba.api import wire
from estiba.api.bodies import decode_body
from estiba.api.containers import terminal_size
from estiba.api.hijack import framed, upgraded_head
from estiba.api.http import Reply
from estiba.api.wire_containers import show_exec
from estiba.engine.config import ExecConfig, wire_name
from estiba.errors import EstibaError

if TYPE_CHECKING:
    from estiba.api.http import Exchange, Taken
    from estiba.api.server import Api
    from estiba.engine.engine import Engine
    from estiba.engine.execs import ExecRecord


class StartRequest(msgspec.Struct, frozen=True, kw_only=True, rename=wire_name):
    """The body of POST /exec/ID/start."""

    detach: bool = False
    tty: bool = False
    console_size: tuple[int, int] | None = None


async def create(api: Api, exchange: Exchange) -> Reply:
    """POST /containers/ID/exec"""
    config = await decode_body(exchange, ExecConfig, "ExecOptions")
    exec_id = await api.run(api.engine.execs.create, exchange.name, config)
    return Reply(201, wire.encode({"Id": exec_id}))


async def inspect(api: Api, exchange: Exchange) -> Reply:
    """GET /exec/ID/json"""
    return Reply(200, wire.encode(show_exec(await api.run(api.engine.execs.get, exchange.name))))


def _startable(engine: Engine, exec_id: str) -> ExecRecord:
    """Refusals that come as HTTP errors; those of a second start come as text in the stream, from the start itself."""
    record = engine.execs.get(exec_id)
    return record if record.started else engine.execs.start_check(exec_id)


def _run(engine: Engine, record: ExecRecord, taken: Taken, size: tuple[int, int] | None) -> None:
    try:
        engine.execs.start(record.id, taken.descriptor, taken.first, console_size=size)
    except EstibaError as error:
        taken.send(framed(error.message, tty=record.config.tty))
        raise


async def start(api: Api, exchange: Exchange) -> Reply | None:
    """POST /exec/ID/start"""
    request = await decode_body(exchange, StartRequest, "ExecStartOptions")
    size = request.console_size if request.console_size and any(request.console_size) else None
    if request.detach:
        await api.run(api.engine.execs.start, exchange.name, None, console_size=size)
        return Reply(200)
    record = await api.run(_startable, api.engine, exchange.name)
    taken = await exchange.take(upgraded_head(exchange, tty=record.config.tty, common=True))
    await api.give(taken, _run, api.engine, record, taken, size)
    return None


async def resize(api: Api, exchange: Exchange) -> Reply:
    """POST /exec/ID/resize"""
    rows, columns = terminal_size(exchange)
    await api.run(api.engine.execs.resize, exchange.name, rows, columns)
    return Reply(200)
