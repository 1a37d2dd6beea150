"""``estiba kill``: send a signal to running containers."""

from __future__ import annotations

from estiba.cli.each import for_each
from estiba.cli.flags import TEXT, Command, Flag
from estiba.client.engine import path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Kill one or more running containers",
    (Flag("signal", "s", TEXT, "Signal to send to the container"),),
    least=1,
)


def run(session: Session, options: Options, names: list[str]) -> int:
    asked = {"signal": options.text("signal") or None}
    return for_each(session, names, lambda client, name: client.post(path("containers", name, "kill"), asked))
