"""``estiba commit``: an image from a container's changes."""

from __future__ import annotations

from estiba.cli import references
from estiba.cli.flags import BOOL, LIST, TEXT, Command, Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command(
    "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
    "Create a new image from a container's changes",
    (
        Flag("author", "a", TEXT, 'Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")'),
        Flag("change", "c", LIST, "Apply Dockerfile instruction to the created image"),
        Flag("message", "m", TEXT, "Commit message"),
        Flag("pause", "p", BOOL, "Pause container during commit", True),
    ),
    least=1,
    most=2,
)


def run(session: Session, options: Options, arguments: list[str]) -> int:
    repository = tag = ""
    if len(arguments) == 2:
        references.check(arguments[1])
        name, tag, _ = references.split(references.complete(arguments[1]))
        repository = references.normal_name(name)
    answer = session.client.post(
        "/commit",
        {
            "container": arguments[0],
            "repo": repository,
            "tag": tag,
            "comment": options.text("message"),
            "author": options.text("author"),
            "changes": options.many("change"),
            "pause": None if options.on("pause") else "0",
        },
    )
    session.print(answer["Id"])
    return 0
