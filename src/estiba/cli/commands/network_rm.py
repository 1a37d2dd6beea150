"""``estiba network rm``: remove networks."""

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
    "NETWORK [NETWORK...]",
    "Remove one or more networks",
    (Flag("force", "f", BOOL, "Do not error if the network does not exist"),),
    least=1,
)
_NOT_FOUND = 404


def run(session: Session, options: Options, names: list[str]) -> int:
    def remove(client: Client, name: str) -> bool:
        try:
            client.delete(path("networks", name))
        except ResponseError as error:
            if error.status != _NOT_FOUND or not options.on("force"):
                raise
            return False
        return True

    code = for_each(session, names, remove, lambda name, removed: name if removed else None)
    if code:
        session.warn(f"exit status {code}")  # as Docker's command, whose users may look for it
    return code
