"""``estiba system df``: what images, containers, volumes and build cache take on disk."""

from __future__ import annotations

import time

from estiba.cli.clock import seconds
from estiba.cli.commands import image_ls, ps, volume_ls
from estiba.cli.flags import BOOL, TEXT, Command, Flag
from estiba.cli.formats import Row, compile_template, render
from estiba.cli.tables import print_list
from estiba.cli.templates import Record
from estiba.cli.units import human_duration, human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from estiba.cli.flags import Options
    from estiba.cli.session import Session
    from estiba.cli.tables import Columns

COMMAND = Command(
    "[OPTIONS]",
    "Show disk usage",
    (
        Flag("format", "", TEXT, "Format output: 'table', 'table TEMPLATE', 'json', or a Go template"),
        Flag("verbose", "v", BOOL, "Show detailed information on space usage"),
    ),
    most=0,
)
_ACTIVE = ("running", "paused", "restarting")
_IMAGES = ("Repository", "Tag", "ID", "CreatedSince", "Size", "SharedSize", "UniqueSize", "Containers")
_CONTAINERS = ("ID", "Image", "Command", "LocalVolumes", "Size", "RunningFor", "Status", "Names")
_VOLUMES = ("Name", "Links", "Size")
_CACHE = ("ID", "CacheType", "Size", "CreatedSince", "LastUsedSince", "UsageCount", "Shared")

SUMMARY: Columns = {
    "Type": ("TYPE", lambda row, _: row["type"]),
    "TotalCount": ("TOTAL", lambda row, _: str(row["total"])),
    "Active": ("ACTIVE", lambda row, _: str(row["active"])),
    "Size": ("SIZE", lambda row, _: human_size(row["size"])),
    "Reclaimable": ("RECLAIMABLE", lambda row, _: _reclaimable(row)),
}


def _since(text: str | None) -> str:
    return human_duration(time.time() - seconds(text)) + " ago" if text else ""


def _bool(value: object) -> str:
    return "true" if value else "false"


CACHE: Columns = {
    "ID": ("CACHE ID", lambda row, truncate: row["ID"][: 12 if truncate else None] + ("*" if row["InUse"] else "")),
    "Parent": ("PARENT", lambda row, _: ", ".join(row.get("Parents") or [])),
    "CacheType": ("CACHE TYPE", lambda row, _: row["Type"]),
    "Size": ("SIZE", lambda row, _: human_size(row["Size"], 3)),
    "CreatedAt": ("CREATED AT", lambda row, _: row["CreatedAt"]),
    "CreatedSince": ("CREATED", lambda row, _: _since(row["CreatedAt"])),
    "LastUsedAt": ("LAST USED AT", lambda row, _: row.get("LastUsedAt") or ""),
    "LastUsedSince": ("LAST USED", lambda row, _: _since(row.get("LastUsedAt"))),
    "UsageCount": ("USAGE", lambda row, _: str(row["UsageCount"])),
    "InUse": ("IN USE", lambda row, _: _bool(row["InUse"])),
    "Shared": ("SHARED", lambda row, _: _bool(row["Shared"])),
    "Description": ("DESCRIPTION", lambda row, _: row.get("Description", "")),
}


def _reclaimable(row: dict[str, Any]) -> str:
    text = human_size(row["free"])
    return f"{text} ({row['free'] * 100 // row['size']}%)" if row["size"] > 0 and row["share"] else text


def _cache_size(usage: dict[str, Any]) -> int:
    return sum(record["Size"] for record in usage["BuildCache"] or [] if not record["Shared"])


def summary(usage: dict[str, Any]) -> list[dict[str, Any]]:
    """The four rows of the table: count, in use, bytes, and how many of them could be had back."""
    images, containers = usage["Images"] or [], usage["Containers"] or []
    volumes, cache = usage["Volumes"] or [], usage["BuildCache"] or []
    layers = usage["LayersSize"]
    used = sum(
        image["Size"] - image["SharedSize"]
        for image in images
        if image["Containers"] != 0 and -1 not in (image["Size"], image["SharedSize"])
    )
    idle = [container for container in containers if container["State"] not in _ACTIVE]
    usages = [volume.get("UsageData") or {"Size": -1, "RefCount": 0} for volume in volumes]
    known = [each for each in usages if each["Size"] != -1]
    in_use = sum(record["Size"] for record in cache if record["InUse"] and not record["Shared"])
    return [
        _row("Images", len(images), sum(image["Containers"] > 0 for image in images), layers, layers - used),
        _row("Containers", len(containers), len(containers) - len(idle), _writable(containers), _writable(idle)),
        _row(
            "Local Volumes",
            len(volumes),
            sum(each["RefCount"] > 0 for each in usages),
            sum(each["Size"] for each in known),
            sum(each["Size"] for each in known if each["RefCount"] == 0),
        ),
        _row(
            "Build Cache",
            len(cache),
            sum(bool(record["InUse"]) for record in cache),
            _cache_size(usage),
            _cache_size(usage) - in_use,
            share=False,
        ),
    ]


def _row(kind: str, total: int, active: int, size: int, free: int, *, share: bool = True) -> dict[str, Any]:
    return {"type": kind, "total": total, "active": active, "size": size, "free": free, "share": share}


def _writable(containers: list[dict[str, Any]]) -> int:
    return sum(container.get("SizeRw") or 0 for container in containers)


def run(session: Session, options: Options, _arguments: list[str]) -> int:
    usage = session.client.get("/system/df")
    format_ = options.text("format")
    if options.on("verbose"):
        return _verbose(session, usage, format_)
    print_list(
        session,
        format_,
        SUMMARY,
        summary(usage),
        standard=tuple(SUMMARY),
        type_name="*formatter.diskUsageImagesContext",
    )
    return 0


class _Details(Record):
    """All four lists, for a template of ``-v``."""

    type_name = "*formatter.diskUsageContext"

    def __init__(self, lists: dict[str, list[Row]]) -> None:
        self._lists = lists

    def field(self, name: str, _arguments: list[object]) -> object:
        return self._lists[name]

    def as_map(self) -> dict[str, object]:
        return {name: [row.as_map() for row in rows] for name, rows in self._lists.items()}


def _verbose(session: Session, usage: dict[str, Any], format_: str) -> int:
    images = [image_ls.rows(image, digests=False)[0] for image in usage["Images"] or []]
    containers = [{**container, "SizeRootFs": 0} for container in usage["Containers"] or []]
    volumes = usage["Volumes"] or []
    cache = sorted(usage["BuildCache"] or [], key=lambda record: (record.get("LastUsedAt") or "", record["ID"]))
    if format_ not in ("", "table"):
        lists = {"Images": images, "Containers": containers, "Volumes": volumes, "BuildCache": cache}
        columns = (image_ls.COLUMNS, ps.COLUMNS, volume_ls.COLUMNS, CACHE)
        rows = {
            name: [Row(each, item, False, "") for item in items]
            for (name, items), each in zip(lists.items(), columns, strict=True)
        }
        session.write(render(compile_template("{{json .}}" if format_ == "json" else format_), _Details(rows)), end="")
        return 0
    session.print("Images space usage:\n")
    print_list(session, "", image_ls.COLUMNS, images, standard=_IMAGES)
    session.print("\nContainers space usage:\n")
    print_list(session, "", ps.COLUMNS, containers, standard=_CONTAINERS)
    session.print("\nLocal Volumes space usage:\n")
    print_list(session, "", volume_ls.COLUMNS, volumes, standard=_VOLUMES)
    session.print(f"\nBuild cache usage: {human_size(_cache_size(usage))}\n")
    print_list(session, "", CACHE, cache, standard=_CACHE)
    return 0
