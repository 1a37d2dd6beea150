"""``estiba ps``: list containers."""

from __future__ import annotations

import time

from estiba.cli.clock import local_text
from estiba.cli.flags import BOOL, FILTER, INT, TEXT, Command, Flag, filters
from estiba.cli.references import familiar
from estiba.cli.tables import ellipsis, label_text, print_list, quote, short_id
from estiba.cli.units import human_duration, human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from estiba.cli.flags import Options
    from estiba.cli.session import Session
    from estiba.cli.tables import Columns

COMMAND = Command(
    "[OPTIONS]",
    "List containers",
    (
        Flag("all", "a", BOOL, "Show all containers (default shows just running)"),
        Flag("filter", "f", FILTER, "Filter output based on conditions provided"),
        Flag("format", "", TEXT, "Format output: 'table', 'table TEMPLATE', 'json', or a Go template"),
        Flag("last", "n", INT, "Show n last created containers (includes all states)", -1),
        Flag("latest", "l", BOOL, "Show the latest created container (includes all states)"),
        Flag("no-trunc", "", BOOL, "Don't truncate output"),
        Flag("quiet", "q", BOOL, "Only display container IDs"),
        Flag("size", "s", BOOL, "Display total file sizes"),
    ),
    most=0,
)


def _names(row: Any, truncate: bool) -> str:
    names = [name.removeprefix("/") for name in row["Names"]]
    if truncate:
        own = [name for name in names if "/" not in name]
        names = own[:1] or names
    return ",".join(names)


def _image(row: Any, truncate: bool) -> str:
    image: str = row["Image"]
    if not image:
        return "<no image>"
    if truncate:
        if short_id(row.get("ImageID", "")) == short_id(image):
            return short_id(image)
        name, at, _ = image.partition("@")
        if at:
            return familiar(name)
    return image


def _size(row: Any, _: bool) -> str:
    own = human_size(row.get("SizeRw") or 0, 3)
    whole = row.get("SizeRootFs") or 0
    return f"{own} (virtual {human_size(whole, 3)})" if whole > 0 else own


def _platform(row: Any) -> str | None:
    platform = (row.get("ImageManifestDescriptor") or {}).get("platform")
    return (
        "/".join(platform[key] for key in ("os", "architecture", "variant") if platform.get(key)) if platform else None
    )


def _mounts(row: Any, truncate: bool) -> str:
    names = [mount.get("Name") or mount.get("Source", "") for mount in row.get("Mounts") or []]
    return ",".join(ellipsis(name, 15) if truncate else name for name in names)


def _address(ip: str, port: object) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def port_text(ports: list[dict[str, Any]]) -> str:
    """The PORTS column: neighbouring ports that map to themselves are one range."""
    ports = sorted(
        ports, key=lambda port: (port["PrivatePort"], port.get("IP", ""), port.get("PublicPort", 0), port["Type"])
    )
    groups: dict[tuple[str, str], list[int]] = {}
    done, mapped = [], []
    for port in ports:
        ip, private = port.get("IP", ""), port["PrivatePort"]
        if ip and port.get("PublicPort", 0) != private:
            mapped.append(f"{_address(ip, port.get('PublicPort', 0))}->{private}/{port['Type']}")
            continue
        group = groups.get((ip, port["Type"]))
        if group and group[1] + 1 == private:
            group[1] = private
            continue
        if group:
            done.append(_group(ip, port["Type"], group))
        groups[ip, port["Type"]] = [private, private]
    return ", ".join(done + [_group(ip, kind, group) for (ip, kind), group in groups.items()] + mapped)


def _group(ip: str, kind: str, ends: list[int]) -> str:
    text = str(ends[0]) if ends[0] == ends[1] else f"{ends[0]}-{ends[1]}"
    return f"{_address(ip, text)}->{text}/{kind}" if ip else f"{text}/{kind}"


COLUMNS: Columns = {
    "ID": ("CONTAINER ID", lambda row, truncate: row["Id"][:12] if truncate else row["Id"]),
    "Image": ("IMAGE", _image),
    "Command": ("COMMAND", lambda row, truncate: quote(ellipsis(row["Command"], 20) if truncate else row["Command"])),
    "RunningFor": ("CREATED", lambda row, _: human_duration(time.time() - row["Created"]) + " ago"),
    "CreatedAt": ("CREATED AT", lambda row, _: local_text(row["Created"])),
    "Status": ("STATUS", lambda row, _: row["Status"]),
    "State": ("STATE", lambda row, _: row.get("State", "")),
    "Ports": ("PORTS", lambda row, _: port_text(row.get("Ports") or [])),
    "Names": ("NAMES", _names),
    "Size": ("SIZE", _size),
    "Labels": ("LABELS", lambda row, _: label_text(row.get("Labels"))),
    "Mounts": ("MOUNTS", _mounts),
    "LocalVolumes": (
        "LOCAL VOLUMES",
        lambda row, _: str(sum(mount.get("Driver") == "local" for mount in row.get("Mounts") or [])),
    ),
    "Platform": ("PLATFORM", lambda row, _: _platform(row)),
    "Networks": ("NETWORKS", lambda row, _: ",".join((row.get("NetworkSettings") or {}).get("Networks") or {})),
}
STANDARD = ("ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names")


def run(session: Session, options: Options, _arguments: list[str]) -> int:
    format_ = options.text("format") or ("" if options.on("quiet") else session.config.get("psFormat", ""))
    quiet = options.on("quiet")
    size = options.on("size") or (not quiet and (".Size" in format_ or "json ." in format_))
    limit = 1 if options.on("latest") else options.number("last")
    rows = session.client.get(
        "/containers/json",
        {
            "all": options.on("all"),
            "limit": limit if limit > 0 else None,
            "size": size,
            "filters": filters(options),
        },
    )
    standard = (*STANDARD, "Size") if size else STANDARD
    print_list(
        session,
        "{{.ID}}" if quiet else format_,
        COLUMNS,
        rows or [],
        standard=standard,
        truncate=not options.on("no-trunc"),
        type_name="*formatter.ContainerContext",
    )
    return 0
