"""``estiba update``: change limits and restart policy of containers."""

from __future__ import annotations

from estiba.cli.container_body import restart_policy
from estiba.cli.container_flags import LIMIT_FLAGS
from estiba.cli.each import for_each
from estiba.cli.flags import TEXT, Command, Flag
from estiba.cli.session import CommandError
from estiba.client.engine import path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session
    from estiba.client.engine import Client

COMMAND = Command(
    "[OPTIONS] CONTAINER [CONTAINER...]",
    "Update configuration of one or more containers",
    (*LIMIT_FLAGS, Flag("restart", "", TEXT, "Restart policy to apply when a container exits")),
    least=1,
)


def run(session: Session, options: Options, names: list[str]) -> int:
    if not options.given:
        raise CommandError("you must provide one or more flags when using this command")
    body: dict[str, object] = {flag.to.partition(".")[2]: options.values[flag.name] for flag in LIMIT_FLAGS}
    if "pids-limit" not in options.given:
        body["PidsLimit"] = None
    try:
        body["RestartPolicy"] = restart_policy(options.text("restart"))
    except ValueError as error:
        raise CommandError(str(error)) from None
    warnings: list[str] = []

    def update(client: Client, name: str) -> None:
        answer = client.post(path("containers", name, "update"), None, body)
        warnings.extend((answer or {}).get("Warnings") or [])

    code = for_each(session, names, update)
    if warnings:
        session.print("\n".join(warnings))
    return code
