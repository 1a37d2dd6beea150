"""``estiba stop``: stop running containers."""

from __future__ import annotations

from estiba.cli.each import for_each
from estiba.cli.flags import INT, TEXT, Command, Flag
from estiba.client.engine import path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Stop one or more running containers",
    (
        Flag("signal", "s", TEXT, "Signal to send to the container"),
        Flag("timeout", "t", INT, "Seconds to wait before killing the container"),
        Flag("time", "", INT, "Seconds to wait before killing the container", hidden=True),
    ),
    least=1,
)


def query(options: Options) -> dict[str, object]:
    """``t`` (absent: the container's own) and ``signal`` of stop and restart."""
    given = [name for name in ("timeout", "time") if name in options.given]
    return {"t": options.number(given[0]) if given else None, "signal": options.text("signal") or None}


def run(session: Session, options: Options, names: list[str]) -> int:
    asked = query(options)
    return for_each(session, names, lambda client, name: client.post(path("containers", name, "stop"), asked))
