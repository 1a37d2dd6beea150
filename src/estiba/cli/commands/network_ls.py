"""``estiba network ls``: list networks."""

from __future__ import annotations

from estiba.cli.flags import BOOL, FILTER, TEXT, Command, Flag, filters
from estiba.cli.tables import label_text, print_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session
    from estiba.cli.tables import Columns

COMMAND = Command(
    "[OPTIONS]",
    "List networks",
    (
        Flag("filter", "f", FILTER, 'Provide filter values (e.g. "driver=bridge")'),
        Flag("format", "", TEXT, "Format output: 'table', 'table TEMPLATE', 'json', or a Go template"),
        Flag("no-trunc", "", BOOL, "Do not truncate the output"),
        Flag("quiet", "q", BOOL, "Only display network IDs"),
    ),
    most=0,
)


def _bool(value: object) -> str:
    return "true" if value else "false"


COLUMNS: Columns = {
    "ID": ("NETWORK ID", lambda row, truncate: row["Id"][:12] if truncate else row["Id"]),
    "Name": ("NAME", lambda row, _: row["Name"]),
    "Driver": ("DRIVER", lambda row, _: row["Driver"]),
    "Scope": ("SCOPE", lambda row, _: row["Scope"]),
    "IPv4": ("IPV4", lambda row, _: _bool(row.get("EnableIPv4", True))),
    "IPv6": ("IPV6", lambda row, _: _bool(row.get("EnableIPv6"))),
    "Internal": ("INTERNAL", lambda row, _: _bool(row.get("Internal"))),
    "Labels": ("LABELS", lambda row, _: label_text(row.get("Labels"))),
    "CreatedAt": ("CREATED AT", lambda row, _: row["Created"].replace("T", " ").replace("Z", " +0000 UTC")),
}


def run(session: Session, options: Options, _arguments: list[str]) -> int:
    quiet = options.on("quiet")
    format_ = options.text("format") or ("" if quiet else session.config.get("networksFormat", ""))
    listed = session.client.get("/networks", {"filters": filters(options)}) or []
    print_list(
        session,
        "{{.ID}}" if quiet and format_ in ("", "table") else format_,
        COLUMNS,
        sorted(listed, key=lambda row: row["Name"]),
        standard=("ID", "Name", "Driver", "Scope"),
        truncate=not options.on("no-trunc"),
        type_name="*network.networkContext",
    )
    return 0
