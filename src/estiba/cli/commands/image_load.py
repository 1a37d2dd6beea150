"""``estiba load``: images from a tar archive."""

from __future__ import annotations

from estiba.cli.flags import BOOL, TEXT, Command, Flag
from estiba.cli.progress import show
from estiba.cli.references import platform_json
from estiba.cli.session import CommandError
from estiba.cli.terminal import is_terminal
from estiba.client.transport import read_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command(
    "[OPTIONS]",
    "Load an image from a tar archive or STDIN",
    (
        Flag("input", "i", TEXT, "Read from tar archive file, instead of STDIN"),
        Flag("platform", "", TEXT, "Load only the given platform variant (os[/arch[/variant]])"),
        Flag("quiet", "q", BOOL, "Suppress the load output"),
    ),
    most=0,
)


def run(session: Session, options: Options, _arguments: list[str]) -> int:
    source = options.text("input") or "-"
    if source == "-" and is_terminal(0):
        raise CommandError("requested load from stdin, but stdin is empty")
    quiet = options.on("quiet") or not is_terminal(1)
    if source != "-":
        open(source, "rb").close()  # a wrong path is told before anything is asked
    reply = session.client.request(
        "POST",
        "/images/load",
        {"quiet": quiet, "platform": platform_json(options.text("platform"))},
        upload=read_file(source),
    )
    show(session, reply)
    return 0
