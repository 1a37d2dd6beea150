"""``estiba export``: a container's file system as a tar archive."""

from __future__ import annotations

from estiba.cli.flags import TEXT, Command, Flag
from estiba.cli.output_file import write_output
from estiba.client.engine import path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command(
    "[OPTIONS] CONTAINER",
    "Export a container's filesystem as a tar archive",
    (Flag("output", "o", TEXT, "Write to a file, instead of STDOUT"),),
    least=1,
    most=1,
)


def run(session: Session, options: Options, arguments: list[str]) -> int:
    target = path("containers", arguments[0], "export")
    return write_output(options.text("output"), "export container", lambda: session.client.request("GET", target))
