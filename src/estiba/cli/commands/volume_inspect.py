"""``estiba volume inspect``: everything about volumes."""

from __future__ import annotations

from estiba.cli import typed
from estiba.cli.flags import TEXT, Command, Flag
from estiba.cli.inspecting import inspect
from estiba.client.engine import path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command(
    "[OPTIONS] VOLUME [VOLUME...]",
    "Display detailed information on one or more volumes",
    (Flag("format", "f", TEXT, "Format output: 'json' or a Go template"),),
    least=1,
)


def run(session: Session, options: Options, names: list[str]) -> int:
    def find(name: str) -> tuple[bytes, typed.Schema]:
        reply = session.client.request("GET", path("volumes", name), None)
        return session.client.finish(reply), typed.VOLUME

    return inspect(session, names, options.text("format"), find)
