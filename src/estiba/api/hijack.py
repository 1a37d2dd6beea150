"""What is said before a connection leaves HTTP: heads of upgraded and endless replies, refusals in plain text."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from estiba.api.http import MULTIPLEXED_STREAM, RAW_STREAM, common_headers, reply_head

if TYPE_CHECKING:
    from estiba.api.http import Exchange
    from estiba.errors import EstibaError

# clients of older versions expect the raw type, whatever the bytes are
_MULTIPLEXED_SINCE = (1, 42)
_STDOUT = 1


def stream_type(exchange: Exchange, *, tty: bool) -> str:
    """The content type of a container's output."""
    return RAW_STREAM if tty or exchange.version < _MULTIPLEXED_SINCE else MULTIPLEXED_STREAM


def upgraded_head(exchange: Exchange, *, tty: bool, common: bool = False) -> bytes:
    """101 for a client that asked to upgrade, else 200 and bytes until the end.

    Args:
        tty: the stream is a terminal's, without frames.
        common: with the headers that usual replies have; exec start shows them, attach does not.
    """
    tail = common_headers() if common else b""
    if exchange.request.upgrade:
        kind = stream_type(exchange, tty=tty)
        head = f"HTTP/1.1 101 UPGRADED\r\nContent-Type: {kind}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
    else:
        head = f"HTTP/1.1 200 OK\r\nContent-Type: {RAW_STREAM}\r\n"
    return head.encode() + tail + b"\r\n"


async def refuse_plainly(exchange: Exchange, error: EstibaError) -> None:
    """How attach refuses: the message as plain text, then the end."""
    head = reply_head("1.1", error.status, (("Content-Type", RAW_STREAM),), common=False)
    taken = await exchange.take(head + error.message.encode() + b"\r\n")
    taken.close()


def framed(text: str, *, tty: bool) -> bytes:
    """A message of the engine inside a container's output stream."""
    data = text.encode() + b"\r\n"
    return data if tty else struct.pack(">BxxxI", _STDOUT, len(data)) + data
