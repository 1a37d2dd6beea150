"""An engine as seen from outside: versioned requests with plain values (dicts, lists, strings) over connections of
``transport``.

The version is negotiated once (``HEAD /_ping``): the lower of ours and the engine's. One idle connection is kept for
the next request; a reply that is still being read keeps its own.
"""

from __future__ import annotations

from estiba.client import quickjson
from estiba.client.transport import Connection, Disconnected, Response, ResponseError, connect
from estiba.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    Query = Mapping[str, object]

API_VERSION = "1.51"
OLDEST_VERSION = "1.24"

_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_SAFE_IN_PATH = _SAFE | frozenset(b"/:@$&+,;=")


def version_key(version: str) -> tuple[int, ...]:
    """``1.51`` as a value that compares as versions do."""
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _quote(text: str, safe: frozenset[int]) -> str:
    raw = text.encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if byte in safe else f"%{byte:02X}" for byte in raw)


def path(*parts: str) -> str:
    """A request path from its parts; an empty part (a container without a name) would ask something else and is
    refused.
    """
    if not all(part.strip() for part in parts):
        raise InvalidArgument("invalid container name or ID: value is empty")
    return "/" + "/".join(_quote(part, _SAFE_IN_PATH) for part in parts)


def encode_query(query: Query) -> str:
    """``?a=1&b=x``: None and False are left out, True is 1, a list repeats its key; keys sorted as Go does it."""
    pairs = []
    for key in sorted(query):
        value = query[key]
        if value is None or value is False:
            continue
        for item in value if isinstance(value, list | tuple) else (value,):
            text = "1" if item is True else str(item)
            pairs.append(f"{key}={_quote(text, _SAFE).replace('%20', '+')}")
    return "?" + "&".join(pairs) if pairs else ""


class Client:
    """The engine at one address. Not thread-safe.

    Attributes:
        host: ``unix:///path`` or ``tcp://host:port``.
        server: headers of the ping's reply (``api-version``, ``ostype``, ``builder-version``).
    """

    def __init__(
        self,
        host: str,
        *,
        version: str = "",
        agent: str = "Estiba-Client",
        opener: Callable[[str], _socket.socket] = connect,
    ) -> None:
        self.host = host
        self.server: dict[str, str] = {}
        self._version = version
        self._agent = agent
        self._opener = opener
        self._idle: Connection | None = None

    def close(self) -> None:
        if self._idle is not None:
            self._idle.close()
            self._idle = None

    @property
    def version(self) -> str:
        """The API version that requests carry."""
        if not self._version:
            reply = self.plain("HEAD", "/_ping")
            if reply.status != 200:
                reply = self.plain("GET", "/_ping")
            reply.read()
            self.server = reply.headers
            self._release(reply)
            theirs = reply.headers.get("api-version", OLDEST_VERSION)
            self._version = min(API_VERSION, theirs, key=version_key)
        return self._version

    def at_least(self, version: str) -> bool:
        """Does the negotiated version reach this one?"""
        return version_key(self.version) >= version_key(version)

    # ---- requests -------------------------------------------------------------------------------------------------

    def get(self, target: str, query: Query | None = None) -> Any:
        """GET and decode the JSON answer. Raises ResponseError."""
        return self._decoded(self.request("GET", target, query))

    def post(self, target: str, query: Query | None = None, body: object = None) -> Any:
        """POST a JSON body (None: no body) and decode the answer; None when there is none."""
        return self._decoded(self.request("POST", target, query, body))

    def delete(self, target: str, query: Query | None = None) -> Any:
        """DELETE and decode the answer."""
        return self._decoded(self.request("DELETE", target, query))

    def request(
        self,
        method: str,
        target: str,
        query: Query | None = None,
        body: object = None,
        *,
        upload: Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send a request and return the reply with its body unread (``finish`` it, or close it).

        Args:
            body: encoded as JSON.
            upload: instead of body: blocks that are sent chunked.

        Raises:
            ResponseError: status 400 and above.
            Disconnected, Unreachable: no answer.
        """
        extra = dict(headers or {})
        raw: bytes | Iterable[bytes] | None = upload
        if body is not None:
            raw = quickjson.dumps(body).encode()
            extra["Content-Type"] = "application/json"
        elif upload is not None:
            extra.setdefault("Content-Type", "application/x-tar")
        reply = self.plain(method, f"/v{self.version}{target}{encode_query(query or {})}", extra, raw)
        if reply.status >= 400:
            raise self._error(reply)
        return reply

    def hijack(self, target: str, query: Query | None = None, body: object = None) -> tuple[_socket.socket, bytes]:
        """POST with Upgrade: the raw socket and the first bytes of its stream. The caller owns the socket."""
        headers = {"Connection": "Upgrade", "Upgrade": "tcp"}
        raw = None
        if body is not None:
            raw = quickjson.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        version = self.version
        connection = Connection(self._opener(self.host))
        try:
            connection.send("POST", f"/v{version}{target}{encode_query(query or {})}", self._headers(headers), raw)
            reply = connection.receive()
            if reply.status >= 400:
                raise self._error(reply)
        except BaseException:
            connection.close()
            raise
        return connection.upgraded()

    def plain(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes] | None = None,
    ) -> Response:
        """One exchange without version and without looking at the status."""
        connection, reused = self._idle, self._idle is not None
        self._idle = None
        if connection is None:
            connection = Connection(self._opener(self.host))
        try:
            connection.send(method, target, self._headers(headers), body)
            return connection.receive(method)
        except Disconnected:
            connection.close()
            # a kept connection may have been closed by an engine that was restarted: nothing of the request was
            # understood then
            if reused and (body is None or isinstance(body, bytes)):
                return self.plain(method, target, headers, body)
            raise
        except BaseException:
            connection.close()
            raise

    def finish(self, reply: Response) -> bytes:
        """Read a reply to its end and keep its connection for the next request."""
        data = reply.read()
        self._release(reply)
        return data

    def objects(self, reply: Response) -> Iterator[Any]:
        """The JSON objects of a stream, one a line, as they arrive; the connection is closed when the caller stops."""
        try:
            for line in reply.lines():
                yield quickjson.loads(line.decode("utf-8", "replace"))
        finally:
            reply.close()

    # ---- inside ---------------------------------------------------------------------------------------------------

    def _headers(self, extra: Mapping[str, str] | None) -> dict[str, str]:
        return {"Host": "api.moby.localhost", "User-Agent": self._agent, **(extra or {})}

    def _release(self, reply: Response) -> None:
        if reply.keep_alive and self._idle is None:
            self._idle = reply.connection
        else:
            reply.close()

    def _decoded(self, reply: Response) -> Any:
        data = self.finish(reply)
        return quickjson.loads(data.decode("utf-8", "replace")) if data.strip() else None

    def _error(self, reply: Response) -> ResponseError:
        text = self.finish(reply).decode("utf-8", "replace").strip()
        if reply.headers.get("content-type", "").startswith("application/json") and text:
            decoded = quickjson.loads(text)
            text = str(decoded.get("message", text)) if isinstance(decoded, dict) else text
        if not text:
            text = f"the engine answered {reply.status} without a message"
        return ResponseError(reply.status, text)
