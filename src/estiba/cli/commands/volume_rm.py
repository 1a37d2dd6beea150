"""``estiba volume rm``: remove volumes."""

from __future__ import annotations

from estiba.cli.each import for_each
from estiba.cli.flags import BOOL, Command, Flag
from estiba.client.engine import path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command(
    "[OPTIONS] VOLUME [VOLUME...]",
    "Remove one or more volumes",
    (Flag("force", "f", BOOL, "Force the removal of one or more volumes"),),
    least=1,
)


def run(session: Session, options: Options, names: list[str]) -> int:
    query = {"force": options.on("force")}
    return for_each(session, names, lambda client, name: client.delete(path("volumes", name), query))
