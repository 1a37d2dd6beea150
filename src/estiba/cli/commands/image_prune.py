"""``estiba image prune``: remove unused images."""

from __future__ import annotations

from estiba.cli.flags import BOOL, Command, Flag
from estiba.cli.pruning import FLAGS, prune

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command(
    "[OPTIONS]",
    "Remove unused images",
    (*FLAGS, Flag("all", "a", BOOL, "Remove all unused images, not just dangling ones")),
    most=0,
)


def run(session: Session, options: Options, _arguments: list[str]) -> int:
    every = options.on("all")
    words = "images without at least one container associated to them" if every else "dangling images"
    return prune(
        session, options, "images", f"This will remove all {words}.", {"dangling": "false" if every else "true"}
    )
