"""``estiba container prune``: remove all stopped containers."""

from __future__ import annotations

from estiba.cli.flags import Command
from estiba.cli.pruning import FLAGS, prune

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command("[OPTIONS]", "Remove all stopped containers", FLAGS, most=0)


def run(session: Session, options: Options, _arguments: list[str]) -> int:
    return prune(session, options, "containers", "This will remove all stopped containers.")
