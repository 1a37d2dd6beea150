"""``estiba rm``: remove containers."""

from __future__ import annotations

from estiba.cli.each import for_each
from estiba.cli.flags import BOOL, Command, Flag
from estiba.client.engine import path
from estiba.client.transport import ResponseError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session
    from estiba.client.engine import Client

COMMAND = Command(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Remove one or more containers",
    (
        Flag("force", "f", BOOL, "Force the removal of a running container (uses SIGKILL)"),
        Flag("link", "l", BOOL, "Remove the specified link"),
        Flag("volumes", "v", BOOL, "Remove anonymous volumes associated with the container"),
    ),
    least=1,
)
_NOT_FOUND = 404


def run(session: Session, options: Options, names: list[str]) -> int:
    asked = {"force": options.on("force"), "link": options.on("link"), "v": options.on("volumes")}

    def remove(client: Client, name: str) -> bool:
        try:
            client.delete(path("containers", name.strip("/")), asked)
        except ResponseError as error:
            if error.status != _NOT_FOUND or not options.on("force"):
                raise
            session.warn(f"Error response from daemon: {error.message}")  # told, but as wanted: not a failure
            return False
        return True

    return for_each(session, names, remove, lambda name, removed: name if removed else None)
