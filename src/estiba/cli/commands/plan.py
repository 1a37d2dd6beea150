"""``estiba plan``: what the shim will do to start a container, operation by operation."""

from __future__ import annotations

from estiba.cli.flags import Command
from estiba.cli.session import CommandError
from estiba.client.engine import path
from estiba.client.transport import ResponseError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command("CONTAINER", "Show the launch plan of a container, readable", least=1, most=1)


def run(session: Session, _options: Options, arguments: list[str]) -> int:
    try:
        answer = session.client.get(path("estiba", "containers", arguments[0], "plan"))
    except ResponseError as error:
        if error.message == "page not found":
            raise CommandError(f"the engine at {session.host} is not Estiba: it has no launch plans") from None
        raise
    for line in answer["Plan"]:
        session.print(line)
    return 0
