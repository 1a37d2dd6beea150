"""``estiba push``: an image to a registry."""

from __future__ import annotations

from estiba.cli import references
from estiba.cli.flags import BOOL, TEXT, Command, Flag
from estiba.cli.progress import show
from estiba.cli.pulling import authorization
from estiba.cli.references import platform_json
from estiba.cli.session import CommandError
from estiba.client.engine import path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command(
    "[OPTIONS] NAME[:TAG]",
    "Upload an image to a registry",
    (
        Flag("all-tags", "a", BOOL, "Push all tags of an image to the repository"),
        Flag("disable-content-trust", "", BOOL, "Skip image signing", True),
        Flag("platform", "", TEXT, "Push only the given platform variant (os[/arch[/variant]])"),
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
    if digest:
        raise CommandError("cannot push a digest reference")
    if every and tag:
        raise CommandError("tag can't be used with --all-tags/-a")
    if not every and not tag:
        tag = "latest"
        if not quiet:
            session.print("Using default tag: latest")
    reply = session.client.request(
        "POST",
        path("images", references.normal_name(name), "push"),
        {"tag": tag or None, "platform": platform_json(options.text("platform"))},
        body={},
        headers={"X-Registry-Auth": authorization(session, name)},
    )
    show(session, reply, quiet=quiet)
    if quiet:
        session.print(references.normal_name(name) + (f":{tag}" if tag else ""))
    return 0
