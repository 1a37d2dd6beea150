"""``estiba container inspect``: everything about containers."""

from __future__ import annotations

from estiba.cli import typed
from estiba.cli.flags import BOOL, TEXT, Command, Flag
from estiba.cli.inspecting import inspect
from estiba.client.engine import path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Display detailed information on one or more containers",
    (
        Flag("format", "f", TEXT, "Format output: 'json' or a Go template"),
        Flag("size", "s", BOOL, "Display total file sizes"),
    ),
    least=1,
)


def run(session: Session, options: Options, names: list[str]) -> int:
    def find(name: str) -> tuple[bytes, typed.Schema]:
        reply = session.client.request("GET", path("containers", name, "json"), {"size": options.on("size")})
        return session.client.finish(reply), typed.CONTAINER

    return inspect(session, names, options.text("format"), find)
