"""``estiba inspect``: any object by name or id: containers first, then images, networks, volumes."""

from __future__ import annotations

from estiba.cli import typed
from estiba.cli.flags import BOOL, TEXT, Command, Flag
from estiba.cli.inspecting import inspect
from estiba.cli.session import CommandError
from estiba.client.engine import path
from estiba.client.transport import ResponseError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command(
    "[OPTIONS] NAME|ID [NAME|ID...]",
    "Return low-level information on containers, images, networks and volumes",
    (
        Flag("format", "f", TEXT, "Format output: 'json' or a Go template"),
        Flag("size", "s", BOOL, "Display total file sizes if the type is container"),
        Flag("type", "", TEXT, "Only inspect objects of the given type"),
    ),
    least=1,
)
_NOT_FOUND, _REFUSED = 404, 400
_KINDS = {
    "container": ("containers", "/json", typed.CONTAINER),
    "image": ("images", "/json", typed.IMAGE),
    "network": ("networks", "", typed.NETWORK),
    "volume": ("volumes", "", typed.VOLUME),
    "plugin": ("plugins", "/json", {}),
}
_WORDS = ", ".join(f'"{kind}"' for kind in sorted(_KINDS))


def run(session: Session, options: Options, names: list[str]) -> int:
    kind = options.text("type")
    if kind and kind not in _KINDS:
        raise CommandError(f'unknown type: "{kind}": must be one of {_WORDS}')
    if "type" in options.given and not kind:
        raise CommandError(f"type is empty: must be one of {_WORDS}")

    def find(name: str) -> tuple[bytes, typed.Schema]:
        for each in [kind] if kind else _KINDS:
            place, end, schema = _KINDS[each]
            query = {"size": options.on("size")} if each == "container" else {}
            try:
                reply = session.client.request("GET", path(place, name) + end, query)
            except ResponseError as error:
                if kind or not _elsewhere(error, each):
                    raise
                continue
            return session.client.finish(reply), schema
        raise CommandError(f"Error: No such object: {name}")

    return inspect(session, names, options.text("format"), find)


def _elsewhere(error: ResponseError, kind: str) -> bool:
    """Is this answer a reason to look among the next kind of object?"""
    return error.status == _NOT_FOUND or (error.status == _REFUSED and kind != "container")
