"""Removing what is unused: the question, the request, and the account of what went."""

from __future__ import annotations

from estiba.cli.flags import BOOL, FILTER, Flag, filters
from estiba.cli.units import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from estiba.cli.flags import Options
    from estiba.cli.session import Session

FLAGS = (
    Flag("filter", "", FILTER, 'Provide filter values (e.g. "until=<timestamp>")'),
    Flag("force", "f", BOOL, "Do not prompt for confirmation"),
)
_TITLES = {
    "containers": "Deleted Containers",
    "volumes": "Deleted Volumes",
    "networks": "Deleted Networks",
    "images": "Deleted Images",
}
_DELETED = {
    "containers": "ContainersDeleted",
    "volumes": "VolumesDeleted",
    "networks": "NetworksDeleted",
    "build": "CachesDeleted",
}


def prune(session: Session, options: Options, kind: str, warning: str, extra: dict[str, str] | None = None) -> int:
    """Ask (unless --force), prune one kind of object, say what was deleted.

    Args:
        kind: ``containers``, ``images``, ``networks`` or ``volumes``.
        extra: filters beside the user's.
    """
    if not options.on("force") and not session.confirm(f"WARNING! {warning}\nAre you sure you want to continue?"):
        return 0
    answer = session.client.post(f"/{kind}/prune", {"filters": with_filters(filters(options), extra)})
    deleted, reclaimed = account(kind, answer)
    if deleted:
        session.print(f"{_TITLES[kind]}:\n{deleted}")
    if kind != "networks":
        session.print(f"Total reclaimed space: {human_size(reclaimed)}")
    return 0


def with_filters(asked: str | None, extra: dict[str, str] | None) -> str | None:
    """The user's filters (JSON) and ours in one."""
    if not extra:
        return asked
    from estiba.client.quickjson import dumps, loads

    wanted = loads(asked) if asked else {}
    for name, value in extra.items():
        wanted.setdefault(name, {})[value] = True
    return dumps({name: wanted[name] for name in sorted(wanted)})


def account(kind: str, answer: dict[str, Any]) -> tuple[str, int]:
    """The lines about what was deleted (each with its line end), and the bytes that are free now."""
    if kind != "images":
        lines = list(answer.get(_DELETED[kind]) or [])
    else:
        lines = []
        for item in answer.get("ImagesDeleted") or []:
            lines += [f"untagged: {item['Untagged']}"] if item.get("Untagged") else [f"deleted: {item['Deleted']}"]
    return "".join(f"{line}\n" for line in lines), answer.get("SpaceReclaimed") or 0
