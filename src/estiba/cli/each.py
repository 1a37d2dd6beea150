"""One action for several objects: side by side, results in the order of the names, all failures told at the end."""

from __future__ import annotations

from estiba.errors import EstibaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from estiba.cli.session import Session
    from estiba.client.engine import Client

    Action = Callable[[Client, str], object]

_AT_ONCE = 50


def for_each(
    session: Session,
    names: list[str],
    action: Action,
    show: Callable[[str, object], str | None] | None = None,
) -> int:
    """Run ``action(client, name)`` for every name; print the name (or ``show(name, result)``, if any) of those that
    succeeded.

    Returns:
        The exit code: 1 when one failed.
    """
    failures: list[EstibaError] = []
    outcomes = _all(session, names, action)
    for name, outcome in zip(names, outcomes, strict=True):
        if isinstance(outcome, EstibaError):
            failures.append(outcome)
        else:
            text = show(name, outcome) if show else name
            if text is not None:
                session.print(text)
    return report(session, failures)


def report(session: Session, failures: list[EstibaError]) -> int:
    """Failures on stderr; the exit code."""
    from estiba.cli import describe

    for failure in failures:
        session.warn(describe(failure))
    return 1 if failures else 0


def _attempt(client: Client, name: str, action: Action) -> object:
    try:
        return action(client, name)
    except EstibaError as error:
        return error


def _all(session: Session, names: list[str], action: Action) -> list[object]:
    if len(names) == 1:
        return [_attempt(session.client, names[0], action)]
    import threading

    results: list[object] = [None] * len(names)
    waiting = list(enumerate(names))

    def work() -> None:
        client = session.another_client()
        try:
            while waiting:
                try:
                    index, name = waiting.pop(0)
                except IndexError:  # another thread took the last one
                    return
                results[index] = _attempt(client, name, action)
        finally:
            client.close()

    session.client.version  # noqa: B018  negotiated once, before the threads ask
    threads = [threading.Thread(target=work) for _ in range(min(len(names), _AT_ONCE))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
