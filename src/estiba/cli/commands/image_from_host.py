"""``estiba image from-host``: a minimal image of programs of the engine's machine. (Estiba's own; other engines
answer that they cannot.)
"""

from __future__ import annotations

from estiba.cli import references
from estiba.cli.flags import TEXT, Command, Flag
from estiba.cli.progress import show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command(
    "PROGRAM [PROGRAM...] [-t NAME]",
    "Make a minimal image of programs of the engine's machine, with the libraries and data they load",
    (Flag("tag", "t", TEXT, "Name of the image (NAME[:TAG])"),),
    least=1,
)


def run(session: Session, options: Options, programs: list[str]) -> int:
    name = options.text("tag")
    if name:
        references.check(name)
    reply = session.client.request(
        "POST", "/estiba/images/from-host", {"reference": name or None}, body={"Programs": programs}
    )
    made = show(session, reply)
    if "ID" in made:
        session.print(made["ID"])
    return 0
