"""``estiba image inspect``: everything about images."""

from __future__ import annotations

from estiba.cli import typed
from estiba.cli.flags import TEXT, Command, Flag
from estiba.cli.inspecting import inspect
from estiba.cli.references import platform_json
from estiba.client.engine import path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command(
    "[OPTIONS] IMAGE [IMAGE...]",
    "Display detailed information on one or more images",
    (
        Flag("format", "f", TEXT, "Format output: 'json' or a Go template"),
        Flag("platform", "", TEXT, "Inspect a specific platform of the multi-platform image"),
    ),
    least=1,
)


def run(session: Session, options: Options, names: list[str]) -> int:
    def find(name: str) -> tuple[bytes, typed.Schema]:
        reply = session.client.request(
            "GET", path("images", name, "json"), {"platform": platform_json(options.text("platform"))}
        )
        return session.client.finish(reply), typed.IMAGE

    return inspect(session, names, options.text("format"), find)
