"""``estiba network prune``: remove networks that no container uses."""

from __future__ import annotations

from estiba.cli.flags import Command
from estiba.cli.pruning import FLAGS, prune

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command("[OPTIONS]", "Remove all unused networks", FLAGS, most=0)


def run(session: Session, options: Options, _arguments: list[str]) -> int:
    warning = "This will remove all custom networks not used by at least one container."
    return prune(session, options, "networks", warning)
