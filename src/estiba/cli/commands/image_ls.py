"""``estiba images``: list images."""

from __future__ import annotations

import time

from estiba.cli import references
from estiba.cli.clock import local_text
from estiba.cli.flags import BOOL, FILTER, TEXT, Command, Flag, filters
from estiba.cli.tables import print_list, short_id
from estiba.cli.units import human_duration, human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from estiba.cli.flags import Options
    from estiba.cli.session import Session
    from estiba.cli.tables import Columns

COMMAND = Command(
    "[OPTIONS] [REPOSITORY[:TAG]]",
    "List images",
    (
        Flag("all", "a", BOOL, "Show all images (default hides intermediate images)"),
        Flag("digests", "", BOOL, "Show digests"),
        Flag("filter", "f", FILTER, "Filter output based on conditions provided"),
        Flag("format", "", TEXT, "Format output: 'table', 'table TEMPLATE', 'json', or a Go template"),
        Flag("no-trunc", "", BOOL, "Don't truncate output"),
        Flag("quiet", "q", BOOL, "Only show image IDs"),
    ),
    most=1,
)
NONE = "<none>"


def _count(value: int, text: str) -> str:
    return "N/A" if value == -1 else text


def _unique(image: dict[str, Any]) -> str:
    if image["Size"] == -1 or image["SharedSize"] == -1:
        return "N/A"
    return human_size(image["Size"] - image["SharedSize"], 3)


COLUMNS: Columns = {
    "Repository": ("REPOSITORY", lambda row, _: row["repository"]),
    "Tag": ("TAG", lambda row, _: row["tag"]),
    "Digest": ("DIGEST", lambda row, _: row["digest"]),
    "ID": ("IMAGE ID", lambda row, truncate: short_id(row["Id"]) if truncate else row["Id"]),
    "CreatedSince": ("CREATED", lambda row, _: human_duration(time.time() - row["Created"]) + " ago"),
    "CreatedAt": ("CREATED AT", lambda row, _: local_text(row["Created"])),
    "Size": ("SIZE", lambda row, _: human_size(row["Size"], 3)),
    "VirtualSize": ("SIZE", lambda row, _: human_size(row["Size"])),
    "SharedSize": ("SHARED SIZE", lambda row, _: _count(row["SharedSize"], human_size(row["SharedSize"]))),
    "UniqueSize": ("UNIQUE SIZE", lambda row, _: _unique(row)),
    "Containers": ("CONTAINERS", lambda row, _: _count(row["Containers"], str(row["Containers"]))),
}


def rows(image: dict[str, Any], *, digests: bool) -> list[dict[str, Any]]:
    """One row per repository and tag (and digest, when they are shown)."""
    tags: dict[str, list[str]] = {}
    by_name: dict[str, list[str]] = {}
    for reference in image["RepoTags"] or []:
        name, tag, _ = references.split(reference)
        if name != NONE:
            tags.setdefault(references.familiar(name), []).append(tag)
    for reference in image["RepoDigests"] or []:
        name, _, digest = references.split(reference)
        if name != NONE:
            by_name.setdefault(references.familiar(name), []).append(digest)
    if not tags and not by_name:
        return [{**image, "repository": NONE, "tag": NONE, "digest": NONE}]
    found = []
    for name, own in tags.items():
        listed = by_name.pop(name, [])
        for tag in own:
            shown = (listed if digests else []) or [NONE]
            found += [{**image, "repository": name, "tag": tag, "digest": digest} for digest in shown]
    for name, listed in by_name.items():
        shown = listed if digests else [NONE]
        found += [{**image, "repository": name, "tag": NONE, "digest": digest} for digest in shown]
    return found


def run(session: Session, options: Options, arguments: list[str]) -> int:
    quiet = options.on("quiet")
    format_ = options.text("format") or ("" if quiet else session.config.get("imagesFormat", ""))
    if arguments:
        asked = options.values["filter"]
        options.values["filter"] = [*(asked if isinstance(asked, list) else []), ("reference", arguments[0])]
    images = session.client.get("/images/json", {"all": options.on("all"), "filters": filters(options)})
    digests = options.on("digests")
    listed = [row for image in images for row in rows(image, digests=digests or ".Digest" in format_)]
    standard = ("Repository", "Tag", *(("Digest",) if digests else ()), "ID", "CreatedSince", "Size")
    if format_.startswith("table ") and digests and "{{.Digest}}" not in format_:
        format_ += "\t{{.Digest}}"
    print_list(
        session,
        "{{.ID}}" if quiet and format_ in ("", "table") else format_,
        COLUMNS,
        listed,
        standard=standard,
        truncate=not options.on("no-trunc"),
        type_name="*formatter.imageContext",
    )
    return 0
