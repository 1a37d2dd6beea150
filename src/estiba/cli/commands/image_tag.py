"""``estiba tag``: another name for an image."""

from __future__ import annotations

from estiba.cli import references
from estiba.cli.flags import Command
from estiba.cli.session import CommandError
from estiba.client.engine import path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command(
    "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
    "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
    least=2,
    most=2,
)


def run(session: Session, _options: Options, names: list[str]) -> int:
    source, target = names
    try:
        references.check(target)
    except CommandError as error:
        raise CommandError(
            f'Error parsing reference: "{target}" is not a valid repository/tag: {error.message}'
        ) from None
    name, tag, digest = references.split(target)
    if digest:
        raise CommandError("refusing to create a tag with a digest reference")
    session.client.post(path("images", source, "tag"), {"repo": references.normal_name(name), "tag": tag or "latest"})
    return 0
