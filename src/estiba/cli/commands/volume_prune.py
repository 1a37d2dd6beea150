"""``estiba volume prune``: remove volumes that no container uses."""

from __future__ import annotations

from estiba.cli.flags import BOOL, Command, Flag
from estiba.cli.pruning import FLAGS, prune
from estiba.cli.session import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command(
    "[OPTIONS]",
    "Remove unused local volumes",
    (*FLAGS, Flag("all", "a", BOOL, "Remove all unused volumes, not just anonymous ones")),
    most=0,
)


def run(session: Session, options: Options, _arguments: list[str]) -> int:
    every = options.on("all")
    asked = options.values["filter"]
    if every and isinstance(asked, list) and any(name == "all" for name, _ in asked):
        raise CommandError("conflicting options: cannot specify both --all and --filter all=1")
    kind = "local" if every else "anonymous local"
    warning = f"This will remove {kind} volumes not used by at least one container."
    return prune(session, options, "volumes", warning, {"all": "true"} if every else None)
