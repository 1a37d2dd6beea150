"""``estiba network disconnect``: take a network from a container."""

from __future__ import annotations

from estiba.cli.flags import BOOL, Command, Flag
from estiba.client.engine import path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command(
    "[OPTIONS] NETWORK CONTAINER",
    "Disconnect a container from a network",
    (Flag("force", "f", BOOL, "Force the container to disconnect from a network"),),
    least=2,
    most=2,
)


def run(session: Session, options: Options, arguments: list[str]) -> int:
    network, container = arguments
    body = {"Container": container, "Force": options.on("force")}
    session.client.post(path("networks", network, "disconnect"), None, body)
    return 0
