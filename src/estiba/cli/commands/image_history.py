"""``estiba history``: the steps that made an image."""

from __future__ import annotations

import time

from estiba.cli.flags import BOOL, TEXT, Command, Flag
from estiba.cli.references import platform_json
from estiba.cli.tables import ellipsis, print_list, short_id
from estiba.cli.units import human_duration, human_size
from estiba.client.engine import path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from estiba.cli.flags import Options
    from estiba.cli.session import Session
    from estiba.cli.tables import Columns

COMMAND = Command(
    "[OPTIONS] IMAGE",
    "Show the history of an image",
    (
        Flag("format", "", TEXT, "Format output: 'table', 'table TEMPLATE', 'json', or a Go template"),
        Flag("human", "H", BOOL, "Print sizes and dates in human readable format", True),
        Flag("no-trunc", "", BOOL, "Don't truncate output"),
        Flag("platform", "", TEXT, "Show history for the given platform (os[/arch[/variant]])"),
        Flag("quiet", "q", BOOL, "Only show image IDs"),
    ),
    least=1,
    most=1,
)
_EPOCH = 946_684_800  # steps dated before 2000 have no real date


def _date(row: dict[str, Any]) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(row["Created"])).replace("+0000", "Z")


def _columns(human: bool) -> Columns:
    def since(row: dict[str, Any], _: bool) -> str:
        if not human:
            return _date(row)
        return "N/A" if row["Created"] <= _EPOCH else human_duration(time.time() - row["Created"]) + " ago"

    def created_by(row: dict[str, Any], truncate: bool) -> str:
        text = row["CreatedBy"].replace("\t", " ")
        return ellipsis(text, 45) if truncate else text

    return {
        "ID": ("IMAGE", lambda row, truncate: short_id(row["Id"]) if truncate else row["Id"]),
        "CreatedSince": ("CREATED" if human else "CREATED AT", since),
        "CreatedAt": ("CREATED AT", lambda row, _: _date(row)),
        "CreatedBy": ("CREATED BY", created_by),
        "Size": ("SIZE", lambda row, _: human_size(row["Size"], 3) if human else str(row["Size"])),
        "Comment": ("COMMENT", lambda row, _: row["Comment"]),
    }


def run(session: Session, options: Options, arguments: list[str]) -> int:
    query = {"platform": platform_json(options.text("platform"))}
    steps = session.client.get(path("images", arguments[0], "history"), query)
    format_ = options.text("format")
    print_list(
        session,
        "{{.ID}}" if options.on("quiet") and format_ in ("", "table") else format_,
        _columns(options.on("human")),
        steps,
        standard=("ID", "CreatedSince", "CreatedBy", "Size", "Comment"),
        truncate=not options.on("no-trunc"),
        type_name="*image.historyContext",
    )
    return 0
