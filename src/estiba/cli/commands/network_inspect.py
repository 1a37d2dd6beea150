"""``estiba network inspect``: everything about networks."""

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
    "[OPTIONS] NETWORK [NETWORK...]",
    "Display detailed information on one or more networks",
    (
        Flag("format", "f", TEXT, "Format output: 'json' or a Go template"),
        Flag("verbose", "v", BOOL, "Verbose output for diagnostics"),
    ),
    least=1,
)


def run(session: Session, options: Options, names: list[str]) -> int:
    def find(name: str) -> tuple[bytes, typed.Schema]:
        reply = session.client.request(
            "GET", path("networks", name), {"verbose": "true" if options.on("verbose") else None}
        )
        return session.client.finish(reply), typed.NETWORK

    return inspect(session, names, options.text("format"), find)
