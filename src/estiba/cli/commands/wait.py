"""``estiba wait``: block until containers stop, print their exit codes."""

from __future__ import annotations

from estiba.cli.each import report
from estiba.cli.flags import Command
from estiba.cli.waiting import Waiter
from estiba.errors import EstibaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command(
    "CONTAINER [CONTAINER...]", "Block until one or more containers stop, then print their exit codes", least=1
)


def run(session: Session, _options: Options, names: list[str]) -> int:
    waiters: list[Waiter | EstibaError] = []
    try:
        for name in names:
            try:
                waiters.append(Waiter(session, name))
            except EstibaError as error:
                waiters.append(error)
        for waiter in waiters:
            if isinstance(waiter, Waiter):
                session.print(str(waiter.until_done()))
    finally:
        for waiter in waiters:
            if isinstance(waiter, Waiter):
                waiter.close()
    return report(session, [waiter for waiter in waiters if isinstance(waiter, EstibaError)])
