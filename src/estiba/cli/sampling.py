"""Statistics of several containers at once: a thread reads each container's stream, and without names one follows
what starts and ends.
"""

from __future__ import annotations

import threading

from estiba.client.engine import path
from estiba.errors import EstibaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from estiba.cli.session import Session
    from estiba.client.transport import Response

_PATIENCE = 3.0  # seconds for the first sample of a container


class Samples:
    """The latest sample of each container (context manager: leaving it ends the threads).

    Args:
        names: the containers; none: all running ones (``everything``: all that exist), also those that come later.
        stream: go on; else one sample each.
    """

    def __init__(self, session: Session, names: list[str], *, everything: bool, stream: bool) -> None:
        self._session = session
        self._names = names
        self._everything = everything
        self._stream = stream
        self._lock = threading.Condition()
        self._rows: dict[str, dict[str, Any]] = {}
        self._failures: list[EstibaError] = []
        self._replies: list[Response] = []
        self._threads: list[threading.Thread] = []
        self._ended = False

    def __enter__(self) -> Samples:
        if self._names:
            for name in self._names:
                self._add(name)
            return self
        if self._stream:
            self._start(self._follow_events)
        listed = self._session.client.get("/containers/json", {"all": self._everything})
        for container in reversed(listed):
            self._add(container["Id"][:12])
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._ended = True
            for reply in self._replies:
                try:
                    reply.connection.sock.shutdown(2)  # wakes the thread that reads it
                except OSError:
                    pass
        for thread in self._threads:
            thread.join()

    def wait_for_first(self) -> None:
        """Until every container has a sample, or had its time for one.

        Raises:
            EstibaError: a container that was named is not there.
        """
        with self._lock:
            self._lock.wait_for(lambda: all(row["seen"] for row in self._rows.values()), _PATIENCE)
            if self._names and self._failures:
                raise self._failures[0]

    def rows(self) -> list[dict[str, Any]]:
        with self._lock:
            return [dict(row) for row in self._rows.values()]

    def alive(self) -> bool:
        """Is any stream left?"""
        return any(thread.is_alive() for thread in self._threads)

    def _start(self, work: Any, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _add(self, name: str) -> None:
        with self._lock:
            if name in self._rows or self._ended:
                return
            self._rows[name] = {"asked": name, "sample": None, "seen": False}
        self._start(self._read, name)

    def _open(self, target: str, query: dict[str, object]) -> Response | None:
        """A stream on a connection of its own, remembered so that it can be ended; None when we are ending."""
        client = self._session.another_client()
        reply = client.request("GET", target, query)
        with self._lock:
            if self._ended:
                reply.close()
                return None
            self._replies.append(reply)
        return reply

    def _read(self, name: str) -> None:
        from estiba.client.quickjson import loads

        reply = None
        try:
            reply = self._open(path("containers", name, "stats"), {"stream": self._stream or "0"})
            for line in reply.lines() if reply is not None else ():
                sample = loads(line.decode("utf-8", "replace"))
                with self._lock:
                    if name in self._rows:
                        self._rows[name].update(sample=sample, seen=True)
                    self._lock.notify_all()
        except EstibaError as error:
            with self._lock:
                self._failures.append(error)
        except OSError:
            pass  # ended by __exit__
        finally:
            self._close(reply)
            with self._lock:
                if name in self._rows:
                    self._rows[name]["seen"] = True
                self._lock.notify_all()

    def _close(self, reply: Response | None) -> None:
        if reply is not None:
            with self._lock:
                self._replies.remove(reply)
                reply.close()

    def _follow_events(self) -> None:
        from estiba.client.quickjson import loads

        reply = None
        appears = "create" if self._everything else "start"
        try:
            reply = self._open("/events", {"filters": '{"type":{"container":true}}'})
            for line in reply.lines() if reply is not None else ():
                event = loads(line.decode("utf-8", "replace"))
                name = event["Actor"]["ID"][:12]
                if event["Action"] == appears:
                    self._add(name)
                elif event["Action"] == "destroy" or (event["Action"] == "die" and not self._everything):
                    with self._lock:
                        self._rows.pop(name, None)
        except (EstibaError, OSError):
            pass  # the engine or we are ending
        finally:
            self._close(reply)
