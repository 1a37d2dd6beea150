"""Waiting for a container's exit over a connection of its own, which survives the engine: when it is lost, the
question is asked again.
"""

from __future__ import annotations

import select
import time

from estiba.client.engine import path
from estiba.client.quickjson import loads
from estiba.client.transport import Disconnected, Response, ResponseError, Unreachable
from estiba.errors import Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from estiba.cli.session import Session

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
_REMOVAL = 10  # seconds
_NOT_FOUND = 404
FAILED = 125


class Waiter:
    """One ``POST /wait``. The request is sent (and its headers read: the engine registered us) when the object is made.

    Attributes:
        status: the exit code, once it is known.
    """

    def __init__(self, session: Session, container: str, condition: str = "") -> None:
        self._session = session
        self._container = container
        self._condition = condition
        self._since = time.time()
        self._pause = _FIRST_PAUSE
        self.status: int | None = None
        self.retry_at: float | None = None
        self._reply: Response | None = self._ask()

    def _ask(self) -> Response:
        return self._session.client.request(
            "POST", path("containers", self._container, "wait"), {"condition": self._condition or None}
        )

    def close(self) -> None:
        if self._reply is not None:
            self._reply.close()
            self._reply = None

    def fileno(self) -> int:
        """The descriptor to poll, -1 while there is no connection."""
        return self._reply.connection.fileno() if self._reply is not None and self.status is None else -1

    def buffered(self) -> bool:
        """Is there an answer that was read together with the headers?"""
        return self._reply is not None and self.status is None and self._reply.connection.holds_data()

    def ready(self) -> None:
        """Read the answer; after a lost connection the next try is due at ``retry_at``."""
        if self._reply is None:
            return
        try:
            line = next(self._reply.lines(), b"")
        except (Disconnected, OSError):
            line = b""
        self.close()
        answer = loads(line.decode()) if line else {"StatusCode": -1}
        if answer.get("StatusCode") == -1:  # the engine ended before the container did
            self.retry_at = time.monotonic() + self._pause
            return
        self._finish(answer)

    def _finish(self, answer: dict[str, Any]) -> None:
        failure = (answer.get("Error") or {}).get("Message")
        if failure:
            self._session.warn(f"Error waiting for container: {failure}")
        self.status = FAILED if failure else int(answer["StatusCode"])
        self.retry_at = None

    def retry(self) -> None:
        """Ask again. The container may have ended, or be gone, meanwhile."""
        if self._condition == "next-exit":
            self._condition = ""  # "not running": true at once if it happened while nobody listened
        try:
            self._reply = self._ask()
            self.retry_at = None
        except ResponseError as error:
            if error.status != _NOT_FOUND:
                raise
            self.status = self._from_events()
            self.retry_at = None
        except (Unreachable, Disconnected, Unavailable):
            self._pause = min(self._pause * 2, _LONGEST_PAUSE)
            self.retry_at = time.monotonic() + self._pause

    def _from_events(self) -> int:
        """The exit code of a container that is gone already: its last ``die`` event tells."""
        filters = f'{{"container":{{"{self._container}":true}},"event":{{"die":true}},"type":{{"container":true}}}}'
        reply = self._session.client.request(
            "GET", "/events", {"since": int(self._since) - 1, "until": int(time.time()) + 1, "filters": filters}
        )
        code = FAILED
        for event in self._session.client.objects(reply):
            code = int(event["Actor"]["Attributes"].get("exitCode", code))
        return code

    def removed_in_time(self) -> None:
        """After a start that failed: give the engine a moment to remove the container (it may be unable to)."""
        poll = select.poll()
        poll.register(self.fileno(), select.POLLIN)
        if self.buffered() or poll.poll(_REMOVAL * 1000):
            self.ready()

    def until_done(self) -> int:
        """Block until the status is known."""
        while self.status is None:
            if self.retry_at is not None:
                time.sleep(max(self.retry_at - time.monotonic(), 0))
                self.retry()
            else:
                self.ready()
        return self.status
