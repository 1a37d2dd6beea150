"""``estiba volume create``: make a volume."""

from __future__ import annotations

from estiba.cli.container_flags import MAP
from estiba.cli.flags import TEXT, Command, Flag, Kind
from estiba.cli.option_values import parse_label, parse_map
from estiba.cli.session import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command(
    "[OPTIONS] [VOLUME]",
    "Create a volume",
    (
        Flag("driver", "d", TEXT, "Specify volume driver name", "local"),
        Flag("label", "", Kind("list", parse_label, many=True), "Set metadata for a volume"),
        Flag("name", "", TEXT, "Specify volume name", hidden=True),
        Flag("opt", "o", MAP, "Set driver specific options"),
    ),
    most=1,
)


def run(session: Session, options: Options, arguments: list[str]) -> int:
    name = options.text("name")
    if arguments and name:
        raise CommandError("conflicting options: either specify --name or provide positional arg, not both")
    body: dict[str, object] = {"Driver": options.text("driver")}
    if options.values["opt"]:
        body["DriverOpts"] = dict(options.values["opt"])  # type: ignore[call-overload]
    if options.many("label"):
        body["Labels"] = dict(parse_map(label) for label in options.many("label"))
    if arguments or name:
        body["Name"] = arguments[0] if arguments else name
    session.print(session.client.post("/volumes/create", None, body)["Name"])
    return 0
