"""``estiba volume ls``: list volumes."""

from __future__ import annotations

from estiba.cli.flags import BOOL, FILTER, TEXT, Command, Flag, filters
from estiba.cli.tables import label_text, print_list
from estiba.cli.units import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from estiba.cli.flags import Options
    from estiba.cli.session import Session
    from estiba.cli.tables import Columns

COMMAND = Command(
    "[OPTIONS]",
    "List volumes",
    (
        Flag("filter", "f", FILTER, 'Provide filter values (e.g. "dangling=true")'),
        Flag("format", "", TEXT, "Format output: 'table', 'table TEMPLATE', 'json', or a Go template"),
        Flag("quiet", "q", BOOL, "Only display volume names"),
    ),
    most=0,
)


def _usage(row: Any, key: str) -> int:
    value: int = (row.get("UsageData") or {}).get(key, -1)
    return value


COLUMNS: Columns = {
    "Driver": ("DRIVER", lambda row, _: row["Driver"]),
    "Name": ("VOLUME NAME", lambda row, _: row["Name"]),
    "Scope": ("SCOPE", lambda row, _: row["Scope"]),
    "Mountpoint": ("MOUNTPOINT", lambda row, _: row["Mountpoint"]),
    "Labels": ("LABELS", lambda row, _: label_text(row.get("Labels"))),
    "Links": ("LINKS", lambda row, _: str(_usage(row, "RefCount")) if _usage(row, "RefCount") >= 0 else "N/A"),
    "Size": ("SIZE", lambda row, _: human_size(_usage(row, "Size")) if _usage(row, "Size") >= 0 else "N/A"),
    "Availability": ("AVAILABILITY", lambda _row, _: "N/A"),
    "Group": ("GROUP", lambda _row, _: "N/A"),
    "Status": ("STATUS", lambda _row, _: "N/A"),
}


def natural(name: str) -> list[tuple[int, int, str]]:
    """Sort key: digits by their value (v2 before v10)."""
    key: list[tuple[int, int, str]] = []
    for char in name:
        if "0" <= char <= "9":
            before = key.pop()[1] if key and key[-1][0] == 0 else 0
            key.append((0, before * 10 + int(char), ""))
        else:
            key.append((1, 0, char))
    return key


def run(session: Session, options: Options, _arguments: list[str]) -> int:
    quiet = options.on("quiet")
    format_ = options.text("format") or ("" if quiet else session.config.get("volumesFormat", ""))
    listed = session.client.get("/volumes", {"filters": filters(options)})["Volumes"] or []
    print_list(
        session,
        "{{.Name}}" if quiet and format_ in ("", "table") else format_,
        COLUMNS,
        sorted(listed, key=lambda row: natural(row["Name"])),
        standard=("Driver", "Name"),
        type_name="*formatter.volumeContext",
    )
    return 0
