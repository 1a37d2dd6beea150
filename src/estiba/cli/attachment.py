"""The user's side of a running container: stream, exit code, signals and window size, all in one poll loop.

Used by run, start -a, attach and exec; what each wants is in the arguments of ``follow``.
"""

from __future__ import annotations

import select
import sys
import time

from estiba.cli import signals, terminal
from estiba.client.engine import path
from estiba.client.transport import Disconnected, ResponseError
from estiba.errors import EstibaError, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from estiba.cli.session import Session
    from estiba.cli.signals import Signals
    from estiba.cli.streams import Stream
    from estiba.cli.waiting import Waiter

_RESIZE_TRIES = 10
_DYING = (1, 2, 3, 15)


class Window:
    """Keeps a container's (or an exec's) terminal as large as the user's. A first try may come before the process
    runs: it is repeated.
    """

    def __init__(self, session: Session, target: str) -> None:
        self._session = session
        self._target = target
        self._tries = 0
        self.retry_at: float | None = None

    def fit(self, extra: int = 0) -> None:
        """Send the size now."""
        height, width = terminal.size()
        if not height and not width:
            return
        self.retry_at = None
        try:
            self._session.client.post(self._target, {"h": height + extra, "w": width + extra})
        except EstibaError:
            self._tries += 1
            if self._tries <= _RESIZE_TRIES:
                self.retry_at = time.monotonic() + self._tries * 0.01
            elif self._tries == _RESIZE_TRIES + 1:
                self._session.warn("failed to resize tty, using default size\r")


def container_window(session: Session, container: str) -> Window:
    return Window(session, path("containers", container, "resize"))


def detach_keys(session: Session, flag: str) -> tuple[str, bytes]:
    """The keys as text (for the engine; empty for the default) and as bytes to watch for."""
    text = flag or str(session.config.get("detachKeys", ""))
    try:
        return text, terminal.parse_keys(text) if text else terminal.DEFAULT_DETACH
    except ValueError as error:
        session.warn(f"invalid detach escape keys, using default: {error}")
        return text, terminal.DEFAULT_DETACH


class Forwarder:
    """Passes the user's signals on to the container. An engine that is away ends us when the signal is meant to."""

    def __init__(self, session: Session, container: str) -> None:
        self._session = session
        self._target = path("containers", container, "kill")

    def __call__(self, number: int) -> None:
        try:
            self._session.client.post(self._target, {"signal": signals.name(number)})
        except ResponseError:
            pass  # it is gone or not started yet
        except (Unavailable, Disconnected):
            if number in _DYING:
                raise


def follow(
    stream: Stream | None,
    waiter: Waiter | None,
    caught: Signals | None,
    *,
    on_signal: Callable[[int], None] | None = None,
    window: Window | None = None,
    until: Callable[[], bool],
) -> None:
    """Move bytes and pass signals on until ``until()``.

    Args:
        on_signal: what to do with a signal other than SIGWINCH (which fits the window).
    """
    sys.stdout.flush()
    poll = select.poll()
    known: dict[int, int] = {}
    if caught is not None:
        poll.register(caught.fileno(), select.POLLIN)
    watched = -1
    while not until():
        if stream is not None:
            stream.register(poll, known)
        if waiter is not None:
            if waiter.buffered():
                waiter.ready()
                continue
            watched = _watch(poll, waiter, watched)
        for descriptor, events in poll.poll(_timeout(waiter, window)):
            if stream is not None and stream.handle(descriptor, events):
                continue
            if waiter is not None and descriptor == watched:
                poll.unregister(watched)
                watched = -1
                waiter.ready()
            elif caught is not None and descriptor == caught.fileno():
                _signals(caught, window, on_signal)
        _due(waiter, window)


def _watch(poll: select.poll, waiter: Waiter, watched: int) -> int:
    """Poll the waiter's present connection (a new one after a reconnect)."""
    descriptor = waiter.fileno()
    if descriptor != watched:
        if watched >= 0:
            poll.unregister(watched)
        if descriptor >= 0:
            poll.register(descriptor, select.POLLIN)
    return descriptor


def _timeout(*timed: Waiter | Window | None) -> int | None:
    moments = [each.retry_at for each in timed if each is not None and each.retry_at is not None]
    return max(int((min(moments) - time.monotonic()) * 1000) + 1, 0) if moments else None


def _due(waiter: Waiter | None, window: Window | None) -> None:
    now = time.monotonic()
    if waiter is not None and waiter.retry_at is not None and waiter.retry_at <= now:
        waiter.retry()
    if window is not None and window.retry_at is not None and window.retry_at <= now:
        window.fit()


def _signals(caught: Signals, window: Window | None, on_signal: Callable[[int], None] | None) -> None:
    for number in caught.take():
        if number == signals.WINCH and window is not None:
            window.fit()
        elif on_signal is not None:
            on_signal(number)
