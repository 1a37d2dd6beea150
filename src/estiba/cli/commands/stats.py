"""``estiba stats``: what containers use, once or as a live table."""

from __future__ import annotations

import time

from estiba.cli.flags import BOOL, TEXT, Command, Flag
from estiba.cli.sampling import Samples
from estiba.cli.tables import print_list
from estiba.cli.units import bytes_size, human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from estiba.cli.flags import Options
    from estiba.cli.session import Session
    from estiba.cli.tables import Columns

COMMAND = Command(
    "[OPTIONS] [CONTAINER...]",
    "Display a live stream of container(s) resource usage statistics",
    (
        Flag("all", "a", BOOL, "Show all containers (default shows just running)"),
        Flag("format", "", TEXT, "Format output: 'table', 'table TEMPLATE', 'json', or a Go template"),
        Flag("no-stream", "", BOOL, "Disable streaming stats and only pull the first result"),
        Flag("no-trunc", "", BOOL, "Do not truncate output"),
    ),
)
_REFRESH = 0.5  # seconds
_TOP_LEFT, _CLEAR_LINE, _CLEAR_BELOW = "\033[H", "\033[K", "\033[J"


def _cpu(sample: dict[str, Any]) -> float:
    now, before = sample["cpu_stats"], sample["precpu_stats"]
    own = now["cpu_usage"]["total_usage"] - before["cpu_usage"]["total_usage"]
    system = now.get("system_cpu_usage", 0) - before.get("system_cpu_usage", 0)
    count = now.get("online_cpus") or len(now["cpu_usage"].get("percpu_usage") or [])
    return own / system * count * 100 if system > 0 and own > 0 else 0.0


def _memory(sample: dict[str, Any]) -> tuple[int, int]:
    """Used (without the page cache that can be dropped) and limit."""
    memory = sample.get("memory_stats") or {}
    used, details = memory.get("usage", 0), memory.get("stats") or {}
    inactive = details.get("total_inactive_file", details.get("inactive_file", 0))
    return (used - inactive if inactive < used else used), memory.get("limit", 0)


def _network(sample: dict[str, Any]) -> str:
    links = (sample.get("networks") or {}).values()
    received, sent = (sum(link[key] for link in links) for key in ("rx_bytes", "tx_bytes"))
    return f"{human_size(received, 3)} / {human_size(sent, 3)}"


def _blocks(sample: dict[str, Any]) -> str:
    totals = {"r": 0, "w": 0}
    for entry in (sample.get("blkio_stats") or {}).get("io_service_bytes_recursive") or []:
        kind = entry["op"][:1].lower()
        if kind in totals:
            totals[kind] += entry["value"]
    return f"{human_size(totals['r'], 3)} / {human_size(totals['w'], 3)}"


def _memory_share(sample: dict[str, Any]) -> str:
    used, limit = _memory(sample)
    return f"{used / limit * 100 if limit else 0:.2f}%"


def _or_nothing(column: Any, nothing: str = "--") -> Any:
    """A column of a sample; ``--`` while there is none."""
    return lambda row, _: column(row["sample"]) if row["sample"] else nothing


COLUMNS: Columns = {
    "Container": ("CONTAINER", lambda row, _: row["asked"]),
    "ID": (
        "CONTAINER ID",
        lambda row, truncate: row["sample"].get("id", "")[: 12 if truncate else None] if row["sample"] else "",
    ),
    "Name": ("NAME", _or_nothing(lambda sample: sample.get("name", "").removeprefix("/") or "--")),
    "CPUPerc": ("CPU %", _or_nothing(lambda sample: f"{_cpu(sample):.2f}%")),
    "MemUsage": (
        "MEM USAGE / LIMIT",
        _or_nothing(lambda sample: " / ".join(bytes_size(size) for size in _memory(sample)), "-- / --"),
    ),
    "MemPerc": ("MEM %", _or_nothing(_memory_share)),
    "NetIO": ("NET I/O", _or_nothing(_network)),
    "BlockIO": ("BLOCK I/O", _or_nothing(_blocks)),
    "PIDs": ("PIDS", _or_nothing(lambda sample: str((sample.get("pids_stats") or {}).get("current", 0)))),
}
STANDARD = ("ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs")


def run(session: Session, options: Options, names: list[str]) -> int:
    format_ = options.text("format") or session.config.get("statsFormat", "")

    def show(rows: list[dict[str, Any]]) -> None:
        print_list(
            session,
            format_,
            COLUMNS,
            rows,
            standard=STANDARD,
            truncate=not options.on("no-trunc"),
            type_name="*container.statsContext",
        )

    once = options.on("no-stream")
    with Samples(session, names, everything=options.on("all"), stream=not once) as samples:
        samples.wait_for_first()
        if once:
            show(samples.rows())
            return 0
        while names == [] or samples.alive():
            _redraw(session, lambda: show(samples.rows()))
            time.sleep(_REFRESH)
    return 0


def _redraw(session: Session, show: Any) -> None:
    """Draw over what was drawn before, in one write."""
    import io
    import sys

    screen, sys.stdout = sys.stdout, io.StringIO()
    try:
        show()
        text = sys.stdout.getvalue()
    finally:
        sys.stdout = screen
    session.write(_TOP_LEFT + "".join(f"{line}{_CLEAR_LINE}\n" for line in text.splitlines()) + _CLEAR_BELOW, end="")
    session.flush()
