"""``estiba top``: the processes of a container."""

from __future__ import annotations

from estiba.cli.flags import Command
from estiba.cli.tables import align
from estiba.client.engine import path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command("CONTAINER [ps OPTIONS]", "Display the running processes of a container", least=1, mixed=False)


def run(session: Session, _options: Options, arguments: list[str]) -> int:
    listed = session.client.get(path("containers", arguments[0], "top"), {"ps_args": " ".join(arguments[1:]) or None})
    lines = [listed["Titles"], *(listed["Processes"] or [])]
    session.print(align(lines, minimum=20, gap=3), end="")
    return 0
