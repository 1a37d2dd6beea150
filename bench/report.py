"""A run's results: as a table for people, as a small JSON for programs."""

from __future__ import annotations

import datetime
import os
import platform
from typing import TYPE_CHECKING, Any

from bench import processes
from bench.figures import DOCKER, ESTIBA, verdict

if TYPE_CHECKING:
    from bench.engines import Engine
    from bench.figures import Series, Target
    from bench.row import Row

Result = dict[str, Any]
WIDTHS = (48, 12, 12, 12, 8, 8, 8)
HEADS = ("", "Docker", "Estiba", "p10", "target", "ratio", "wanted", "")


def entries(row: Row, series: Series) -> list[Result]:
    """One entry for each figure of a row: plain values, None where nothing was measured."""
    return [_entry(row, series, target) for target in row.targets]


def _entry(row: Row, series: Series, target: Target) -> Result:
    value, ratio = series.median(ESTIBA, target.name), series.ratio(target.name)
    return {
        "row": row.name,
        "figure": target.name,
        "label": target.label,
        "unit": target.unit,
        "more": target.more,
        "docker": _rounded(series.median(DOCKER, target.name)),
        "docker_p10": _rounded(series.best(DOCKER, target.name, more=target.more)),
        "estiba": _rounded(value),
        "estiba_p10": _rounded(series.best(ESTIBA, target.name, more=target.more)),
        "samples": len(series.samples.get(ESTIBA, {}).get(target.name, [])),
        "target": target.limit,
        "ratio": _rounded(ratio),
        "ratio_target": _rounded(target.ratio),
        "verdict": verdict(target, value, ratio),
    }


def document(engines: list[Engine], results: list[Result], load_before: float, *, quick: bool) -> Result:
    """The whole of a run."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": {
            "processors": os.cpu_count(),
            "memory_gb": round(memory / 1e9),
            "kernel": platform.release(),
            "load": [round(load_before, 1), round(processes.load(), 1)],
        },
        "engines": {engine.name: engine.version for engine in engines},
        "quick": quick,
        "results": results,
    }


def table(results: list[Result]) -> str:
    """Lines of aligned columns: medians, Estiba's tenth percentile, what was asked for, what came out."""
    lines = ["  ".join(_cells(HEADS))]
    for entry in results:
        sign = "≥" if entry["more"] else "≤"
        cells = (
            entry["label"],
            shown(entry["docker"], entry["unit"]),
            shown(entry["estiba"], entry["unit"]),
            shown(entry["estiba_p10"], entry["unit"]),
            "" if entry["target"] is None else f"{sign} {entry['target']:g}",
            shown(entry["ratio"], ""),
            "" if entry["ratio_target"] is None else f"{sign} {entry['ratio_target']:.2g}",
            entry["verdict"],
        )
        lines.append("  ".join(_cells(cells)))
    return "\n".join(lines)


def shown(value: float | None, unit: str) -> str:
    """Three digits and the unit."""
    if value is None:
        return "–"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f} {unit}".rstrip()


def _cells(cells: tuple[str, ...]) -> list[str]:
    first, *middle, last = cells
    return [
        f"{first:<{WIDTHS[0]}}",
        *(f"{cell:>{width}}" for cell, width in zip(middle, WIDTHS[1:], strict=True)),
        last,
    ]


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
