"""JSON bodies of requests: Docker's rules for the content type, and decoding into a struct."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from estiba.api import wire
from estiba.api.http import BODY_BYTES
from estiba.errors import InvalidArgument

if TYPE_CHECKING:
    from estiba.api.http import Exchange

T = TypeVar("T")

# decoded on the loop, which stands still meanwhile: a megabyte takes up to 70 ms
DECODED_BYTES = 4 << 20

_MEDIA_TYPE = re.compile(r"\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+(?:/[!#$%&'*+.^_`|~0-9A-Za-z-]+)?)\s*(;.*)?", re.DOTALL)


def _check_content_type(exchange: Exchange) -> None:
    text = exchange.request.header("content-type")
    if not text and not exchange.has_body:
        return
    if not text.strip():
        raise InvalidArgument(f"malformed Content-Type header ({text}): mime: no media type")
    match = _MEDIA_TYPE.fullmatch(text)
    if match is None:
        raise InvalidArgument(f"malformed Content-Type header ({text}): mime: expected token after slash")
    if match[1].lower() != "application/json":
        raise InvalidArgument(f"unsupported Content-Type header ({text}): must be 'application/json'")


async def read_json(exchange: Exchange, *, required: bool = False, limit: int = BODY_BYTES) -> bytes:
    """The body of a request that takes JSON; b"" when there is none and none is required.

    Raises InvalidArgument with Docker's words.
    """
    _check_content_type(exchange)
    body = await exchange.body(limit) if exchange.has_body else b""
    if not body and required:
        raise InvalidArgument("invalid JSON: got EOF while reading request body")
    return body


async def decode_body(exchange: Exchange, struct: type[T], root: str) -> T:
    """The body as a struct; without a body the struct's defaults. root is Go's name of it, for messages."""
    body = await read_json(exchange, limit=DECODED_BYTES)
    return wire.convert(wire.decode_json(body) if body else None, struct, root)
