"""``estiba pull``: an image from a registry."""

from __future__ import annotations

from estiba.cli import references
from estiba.cli.flags import BOOL, TEXT, Command, Flag
from estiba.cli.pulling import pull
from estiba.cli.session import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command(
    "[OPTIONS] NAME[:TAG|@DIGEST]",
    "Download an image from a registry",
    (
        Flag("all-tags", "a", BOOL, "Download all tagged images in the repository"),
        Flag("disable-content-trust", "", BOOL, "Skip image verification", True),
        Flag("platform", "", TEXT, "Set platform if the image has several"),
        Flag("quiet", "q", BOOL, "Suppress verbose output"),
    ),
    least=1,
    most=1,
)


def run(session: Session, options: Options, arguments: list[str]) -> int:
    reference = arguments[0]
    references.check(reference)
    name, tag, digest = references.split(reference)
    quiet, every = options.on("quiet"), options.on("all-tags")
    if every and (tag or digest):
        raise CommandError("tag can't be used with --all-tags/-a")
    if not (every or tag or digest):
        reference = f"{name}:latest"
        if not quiet:
            session.print("Using default tag: latest")
    pull(session, reference, platform=options.text("platform"), quiet=quiet, descriptor=1, all_tags=every)
    full, *_ = references.split(reference)
    session.print(references.normal_name(full) + reference[len(full) :])
    return 0
