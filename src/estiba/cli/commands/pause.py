"""``estiba pause``: hold all processes of containers."""

from __future__ import annotations

from estiba.cli.each import for_each
from estiba.cli.flags import Command
from estiba.client.engine import path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command("CONTAINER [CONTAINER...]", "Pause all processes within one or more containers", least=1)


def run(session: Session, _options: Options, names: list[str]) -> int:
    return for_each(session, names, lambda client, name: client.post(path("containers", name, "pause")))
