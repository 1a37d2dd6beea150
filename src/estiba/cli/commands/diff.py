"""``estiba diff``: what changed in a container's file system."""

from __future__ import annotations

from estiba.cli.flags import TEXT, Command, Flag
from estiba.cli.tables import print_list
from estiba.client.engine import path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session
    from estiba.cli.tables import Columns

COMMAND = Command(
    "CONTAINER",
    "Show what changed in a container's filesystem: A(dded), C(hanged), D(eleted)",
    (Flag("format", "", TEXT, "Format output: 'table', 'table TEMPLATE', 'json', or a Go template", hidden=True),),
    least=1,
    most=1,
)
_KINDS = "CAD"
_COLUMNS: Columns = {
    "Type": ("CHANGE TYPE", lambda row, _: _KINDS[row["Kind"]]),
    "Path": ("PATH", lambda row, _: row["Path"]),
}


def run(session: Session, options: Options, arguments: list[str]) -> int:
    changes = session.client.get(path("containers", arguments[0], "changes")) or []
    format_ = options.text("format") or "{{.Type}} {{.Path}}"
    print_list(session, format_, _COLUMNS, changes, standard=("Type", "Path"))
    return 0
