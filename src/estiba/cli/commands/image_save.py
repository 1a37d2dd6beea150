"""``estiba save``: images as a tar archive."""

from __future__ import annotations

from estiba.cli.flags import TEXT, Command, Flag
from estiba.cli.output_file import write_output
from estiba.cli.references import platform_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command(
    "[OPTIONS] IMAGE [IMAGE...]",
    "Save one or more images to a tar archive (streamed to STDOUT by default)",
    (
        Flag("output", "o", TEXT, "Write to a file, instead of STDOUT"),
        Flag("platform", "", TEXT, "Save only the given platform variant (os[/arch[/variant]])"),
    ),
    least=1,
)


def run(session: Session, options: Options, names: list[str]) -> int:
    query = {"names": names, "platform": platform_json(options.text("platform"))}
    return write_output(
        options.text("output"), "save image", lambda: session.client.request("GET", "/images/get", query)
    )
