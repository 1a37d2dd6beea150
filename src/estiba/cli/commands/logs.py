"""``estiba logs``: what a container wrote."""

from __future__ import annotations

from estiba.cli.clock import to_api
from estiba.cli.flags import BOOL, TEXT, Command, Flag
from estiba.cli.session import CommandError
from estiba.cli.streams import Demultiplexer, write_all
from estiba.client.engine import path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command(
    "[OPTIONS] CONTAINER",
    "Fetch the logs of a container",
    (
        Flag("details", "", BOOL, "Show extra details provided to logs"),
        Flag("follow", "f", BOOL, "Follow log output"),
        Flag("since", "", TEXT, "Show logs since a time (2013-01-02T13:23:37Z) or for a while (42m)"),
        Flag("tail", "n", TEXT, "Number of lines to show from the end of the logs", "all"),
        Flag("timestamps", "t", BOOL, "Show timestamps"),
        Flag("until", "", TEXT, "Show logs before a time (2013-01-02T13:23:37Z) or a while ago (42m)"),
    ),
    least=1,
    most=1,
)


def _time(name: str, text: str) -> str | None:
    try:
        return to_api(text) if text else None
    except ValueError as error:
        raise CommandError(f'invalid value for "{name}": {error}') from None


def run(session: Session, options: Options, arguments: list[str]) -> int:
    container = session.client.get(path("containers", arguments[0], "json"))
    reply = session.client.request(
        "GET",
        path("containers", container["Id"], "logs"),
        {
            "stdout": True,
            "stderr": True,
            "follow": options.on("follow"),
            "timestamps": options.on("timestamps"),
            "details": options.on("details"),
            "tail": options.text("tail"),
            "since": _time("since", options.text("since")),
            "until": _time("until", options.text("until")),
        },
    )
    try:
        frames = None if container["Config"]["Tty"] else Demultiplexer(1, 2)
        for block in reply.blocks():
            if frames is None:
                write_all(1, block)
            else:
                frames.feed(block)
    finally:
        reply.close()
    return 0
