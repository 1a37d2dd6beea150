"""``estiba create``: make a container without starting it."""

from __future__ import annotations

from estiba.cli.container_flags import CONTAINER_FLAGS
from estiba.cli.creation import container_body, create
from estiba.cli.flags import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command("[OPTIONS] IMAGE [COMMAND] [ARG...]", "Create a new container", CONTAINER_FLAGS, least=1, mixed=False)


def run(session: Session, options: Options, arguments: list[str]) -> int:
    session.print(create(session, options, container_body(session, options, arguments, "create")))
    return 0
