"""``estiba import``: an image from a plain file system archive."""

from __future__ import annotations

from estiba.cli import references
from estiba.cli.flags import LIST, TEXT, Command, Flag
from estiba.cli.progress import show
from estiba.client.transport import read_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command(
    "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
    "Import the contents from a tarball to create a filesystem image",
    (
        Flag("change", "c", LIST, "Apply Dockerfile instruction to the created image"),
        Flag("message", "m", TEXT, "Set commit message for imported image"),
        Flag("platform", "", TEXT, "Set the image's platform"),
    ),
    least=1,
    most=2,
)


def run(session: Session, options: Options, arguments: list[str]) -> int:
    source = arguments[0]
    remote = source.startswith(("http://", "https://"))
    if not remote and source != "-":
        open(source, "rb").close()  # a wrong path is told before anything is asked
    if len(arguments) > 1:
        references.check(arguments[1])
    reply = session.client.request(
        "POST",
        "/images/create",
        {
            "fromSrc": source if remote else "-",
            "repo": arguments[1] if len(arguments) > 1 else None,
            "message": options.text("message") or None,
            "changes": options.many("change"),
            "platform": options.text("platform") or None,
        },
        upload=None if remote else read_file(source),
        headers=None if remote else {"Content-Type": "text/plain"},
    )
    show(session, reply)
    return 0
