"""``estiba rmi``: remove images, or names of them."""

from __future__ import annotations

from estiba.cli.each import report
from estiba.cli.flags import BOOL, LIST, Command, Flag
from estiba.cli.references import platform_json
from estiba.client.engine import path
from estiba.client.transport import ResponseError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session
    from estiba.errors import EstibaError

COMMAND = Command(
    "[OPTIONS] IMAGE [IMAGE...]",
    "Remove one or more images",
    (
        Flag("force", "f", BOOL, "Force removal of the image"),
        Flag("no-prune", "", BOOL, "Do not delete untagged parents"),
        Flag("platform", "", LIST, "Remove only the given platform variant (os[/arch[/variant]])"),
    ),
    least=1,
)
_NOT_FOUND = 404


def run(session: Session, options: Options, names: list[str]) -> int:
    query = {
        "force": options.on("force"),
        "noprune": options.on("no-prune"),
        "platforms": [platform_json(text) for text in options.many("platform")],
    }
    failures: list[EstibaError] = []
    fatal = False
    for name in names:
        try:
            removed = session.client.delete(path("images", name), query)
        except ResponseError as error:
            fatal = fatal or error.status != _NOT_FOUND
            failures.append(error)
            continue
        for item in removed or []:
            session.print(f"Deleted: {item['Deleted']}" if item.get("Deleted") else f"Untagged: {item['Untagged']}")
    code = report(session, failures)
    return 0 if options.on("force") and not fatal else code
