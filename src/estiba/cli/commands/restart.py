"""``estiba restart``: stop and start containers."""

from __future__ import annotations

from estiba.cli.commands.stop import query
from estiba.cli.each import for_each
from estiba.cli.flags import INT, TEXT, Command, Flag
from estiba.client.engine import path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Restart one or more containers",
    (
        Flag("signal", "s", TEXT, "Signal to send to the container"),
        Flag("timeout", "t", INT, "Seconds to wait before killing the container"),
        Flag("time", "", INT, "Seconds to wait before killing the container", hidden=True),
    ),
    least=1,
)


def run(session: Session, options: Options, names: list[str]) -> int:
    asked = query(options)
    return for_each(session, names, lambda client, name: client.post(path("containers", name, "restart"), asked))
