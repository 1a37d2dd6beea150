"""``estiba doctor``: check this machine. Its flags are its own: they are passed on unread."""

from __future__ import annotations

from estiba.cli.flags import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command("[OPTIONS]", "Check what this machine can do, with a fix for what it cannot", passes_on=True)


def run(_session: Session, _options: Options, arguments: list[str]) -> int:
    from estiba.daemon.doctor import main

    return main(arguments)
