"""The picture of a run: a pair of bars for each figure that both engines have, as SVG."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from bench.report import shown

if TYPE_CHECKING:
    from bench.report import Result

WIDTH = 860
LABEL = 330
BARS = 380
ROW = 44
TOP = 64
BAR = 14
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-size: 16px; font-weight: 600 }
  .small { font-size: 11px; fill: #57606a }
  .docker { fill: #b6c0cc }
  .estiba { fill: #0f766e }
  .times { font-weight: 600; fill: #0f766e }
  .paper { fill: #ffffff }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .small { fill: #9aa4af } .docker { fill: #57606a } .paper { fill: #0d1117 }
    .estiba { fill: #2dd4bf } .times { fill: #2dd4bf }
  }
"""


def picture(document: Result) -> str:
    """An SVG document. Bars of one row share a scale; how many times better Estiba is stands beside them."""
    chosen = [entry for entry in document["results"] if _comparable(entry)]
    height = TOP + ROW * len(chosen) + 24
    versions = document["engines"]
    machine = document["machine"]
    title = f"Estiba {versions.get('estiba', '')} beside Docker {versions.get('docker', '')}"
    note = (
        f"one run on one machine, {document['date'][:10]}, {machine['processors']} processors,"
        f" kernel {machine['kernel']}; medians; shorter is better, except for rates (/s)"
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{height}" rx="8"/>',
        _text(20, 28, title, "title"),
        _text(20, 47, note, "small"),
    ]
    for number, entry in enumerate(chosen):
        parts += _pair(entry, TOP + number * ROW)
    return "\n".join((*parts, "</svg>", ""))


def _comparable(entry: Result) -> bool:
    return bool(entry["docker"]) and bool(entry["estiba"]) and not entry["label"].startswith(" ")


def _pair(entry: Result, top: int) -> list[str]:
    most = max(entry["docker"], entry["estiba"])
    parts = [_text(LABEL - 12, top + 20, entry["label"], anchor="end")]
    for kind, offset in (("docker", 0), ("estiba", BAR + 2)):
        width = max(2.0, entry[kind] / most * (BARS - 90))
        value = shown(entry[kind], entry["unit"])
        parts.append(f'<rect class="{kind}" x="{LABEL}" y="{top + offset}" width="{width:.1f}" height="{BAR}" rx="2"/>')
        parts.append(_text(LABEL + width + 6, top + offset + 11, f"{kind.title()} {value}", "small"))
    better = entry["estiba"] / entry["docker"] if entry["more"] else entry["docker"] / entry["estiba"]
    parts.append(_text(WIDTH - 20, top + 20, f"{better:.1f} ×" if better < 10 else f"{better:.0f} ×", "times", "end"))
    return parts


def _text(x: float, y: float, content: str, kind: str = "", anchor: str = "") -> str:
    attributes = (f' class="{kind}"' if kind else "") + (f' text-anchor="{anchor}"' if anchor else "")
    return f'<text x="{x:.1f}" y="{y:.1f}"{attributes}>{escape(content)}</text>'
