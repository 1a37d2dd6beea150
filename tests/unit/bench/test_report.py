"""The table and the picture of the bench."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from bench import drawing, report
from bench.engines import Engine
from bench.figures import DOCKER, ESTIBA, Series, Target
from bench.row import Row
from bench.run import ROWS, arguments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.row import Sampler, Setting

SVG = "{http://www.w3.org/2000/svg}"


@contextlib.contextmanager
def _nothing(_: Engine, __: Setting) -> Iterator[Sampler]:
    yield dict


def _document() -> report.Result:
    series = Series()
    for estiba, docker in ((8.0, 100.0), (8.5, 104.0)):
        series.add(ESTIBA, {"life": estiba, "alone": 1.0})
        series.add(DOCKER, {"life": docker})
    targets = (Target("life", "a life & <more>", "ms", 9, 0.09), Target("alone", "Estiba's only", "ms", 2))
    row = Row("life", _nothing, targets, repeat=2, quick=1)
    engines = [Engine(ESTIBA, "", "1.0", ()), Engine(DOCKER, "", "28.5", ())]
    return report.document(engines, report.entries(row, series), 0.5, quick=False)


def test_table() -> None:
    head, life, alone = report.table(_document()["results"]).splitlines()
    assert "Docker" in head
    assert life.split() == [
        "a",
        "life",
        "&",
        "<more>",
        "102",
        "ms",
        "8.25",
        "ms",
        "8.05",
        "ms",
        "≤",
        "9",
        "0.08",
        "≤",
        "0.09",
        "met",
    ]
    assert alone.split()[2:4] == ["–", "1.00"]


def test_document_is_plain() -> None:
    document = _document()
    assert json.loads(json.dumps(document)) == document
    assert document["engines"] == {"estiba": "1.0", "docker": "28.5"}


def test_picture() -> None:
    """Well-formed; a pair of bars for what both have, in proportion."""
    tree = ElementTree.fromstring(drawing.picture(_document()))
    bars = {bar.get("class"): float(bar.get("width") or 0) for bar in tree.iter(f"{SVG}rect")}
    assert bars["estiba"] / bars["docker"] == pytest.approx(8.25 / 102, rel=0.01)
    texts = [text.text for text in tree.iter(f"{SVG}text")]
    assert "a life & <more>" in texts
    assert "12 ×" in texts
    assert "Estiba's only" not in texts


def test_shown() -> None:
    assert report.shown(None, "ms") == "–"
    assert report.shown(1234.4, "ms") == "1,234 ms"
    assert report.shown(12.34, "") == "12.3"


def test_rows_have_names_of_their_own() -> None:
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)
    assert arguments(["--quick", "--only", names[0], "--only", names[1]]).only == names[:2]
