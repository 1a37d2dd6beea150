"""``estiba system prune``: remove stopped containers, unused networks, dangling images, build cache; volumes if asked
for.
"""

from __future__ import annotations

from estiba.cli.flags import BOOL, Command, Flag, filters
from estiba.cli.pruning import FLAGS, account, with_filters
from estiba.cli.session import CommandError
from estiba.cli.units import human_size
from estiba.client.transport import ResponseError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command(
    "[OPTIONS]",
    "Remove unused data",
    (
        *FLAGS,
        Flag("all", "a", BOOL, "Remove all unused images not just dangling ones"),
        Flag("volumes", "", BOOL, "Prune anonymous volumes"),
    ),
    most=0,
)
_TITLES = {
    "containers": "Deleted Containers:",
    "networks": "Deleted Networks:",
    "volumes": "Deleted Volumes:",
    "images": "Deleted Images:",
    "build": "Deleted build cache objects:",
}
_ABSENT = (404, 501)


def _warning(options: Options) -> str:
    every = options.on("all")
    items = ["all stopped containers", "all networks not used by at least one container"]
    if options.on("volumes"):
        items.append("all anonymous volumes not used by at least one container")
    items.append("all images without at least one container associated to them" if every else "all dangling images")
    items.append("all build cache" if every else "unused build cache")
    text = "WARNING! This will remove:\n" + "".join(f"  - {item}\n" for item in items)
    asked = options.values["filter"]
    if isinstance(asked, list) and asked:
        text += "\n  Items to be pruned will be filtered with:\n"
        text += "".join(f"  - {name}={value}\n" for name, value in asked)
    return text + "\nAre you sure you want to continue?"


def run(session: Session, options: Options, _arguments: list[str]) -> int:
    asked = options.values["filter"]
    if options.on("volumes") and isinstance(asked, list) and any(name == "until" for name, _ in asked):
        raise CommandError('ERROR: The "until" filter is not supported with "--volumes"')
    if not options.on("force") and not session.confirm(_warning(options)):
        return 0
    every, wanted = options.on("all"), filters(options)
    reclaimed = 0
    for kind in ("containers", "networks", *(("volumes",) if options.on("volumes") else ()), "images", "build"):
        extra = {"dangling": "false" if every else "true"} if kind == "images" else None
        query: dict[str, object] = {"filters": with_filters(wanted, extra)}
        if kind == "build" and every:
            query["all"] = True
        try:
            answer = session.client.post(f"/{kind}/prune", query)
        except ResponseError as error:
            if kind != "build" or error.status not in _ABSENT:
                raise
            continue  # an engine without a builder
        deleted, freed = account(kind, answer)
        reclaimed += freed
        if deleted:
            session.print(f"{_TITLES[kind]}\n{deleted}")
    session.print(f"Total reclaimed space: {human_size(reclaimed)}")
    return 0
