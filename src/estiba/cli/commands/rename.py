"""``estiba rename``: give a container another name."""

from __future__ import annotations

from estiba.cli.flags import Command
from estiba.cli.session import CommandError
from estiba.client.engine import path
from estiba.client.transport import ResponseError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command("CONTAINER NEW_NAME", "Rename a container", least=2, most=2)


def run(session: Session, _options: Options, names: list[str]) -> int:
    old, new = (name.strip() for name in names)
    if not old or not new:
        raise CommandError("Error: Neither old nor new names may be empty")
    try:
        session.client.post(path("containers", old, "rename"), {"name": new})
    except ResponseError as error:
        session.warn(f"Error response from daemon: {error.message}")
        raise CommandError(f"Error: failed to rename container named {old}") from None
    return 0
