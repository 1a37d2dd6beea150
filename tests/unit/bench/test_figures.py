"""Medians, ratios and verdicts of the bench."""

from __future__ import annotations

import pytest
from bench.figures import DOCKER, ESTIBA, Series, Target, quantile, verdict


@pytest.mark.parametrize(
    ("samples", "share", "expected"),
    [([3.0, 1.0, 2.0], 0.5, 2.0), ([1.0, 2.0], 0.5, 1.5), ([5.0], 0.1, 5.0), ([float(n) for n in range(11)], 0.1, 1.0)],
)
def test_quantile(samples: list[float], share: float, expected: float) -> None:
    assert quantile(samples, share) == expected


def test_quantile_of_nothing() -> None:
    with pytest.raises(ValueError, match="no samples"):
        quantile([], 0.5)


def test_ratio_is_of_neighbours() -> None:
    """A machine that becomes three times slower half-way changes both medians' noise, not the ratio."""
    series = Series()
    for slow in (1, 1, 3, 3, 3):
        series.add(ESTIBA, {"life": 1.0 * slow})
        series.add(DOCKER, {"life": 10.0 * slow})
    assert series.ratio("life") == pytest.approx(0.1)
    assert series.median(ESTIBA, "life") == 3.0
    assert series.best(ESTIBA, "life") == 1.0
    assert series.best(ESTIBA, "life", more=True) == 3.0


def test_without_docker() -> None:
    series = Series()
    series.add(ESTIBA, {"life": 1.0})
    assert series.ratio("life") is None
    assert series.median(DOCKER, "life") is None


@pytest.mark.parametrize(
    ("target", "value", "ratio", "expected"),
    [
        (Target("x", "", "ms", 9, 0.09), 8.0, 0.08, "met"),
        (Target("x", "", "ms", 9, 0.09), 20.0, 0.08, "ratio"),
        (Target("x", "", "ms", 9, 0.09), 8.0, 0.1, "met"),
        (Target("x", "", "ms", 9, 0.09, both=True), 8.0, 0.1, "missed"),
        (Target("x", "", "ms", 9, 0.09, both=True), 8.0, None, "met"),
        (Target("x", "", "ms", 9, 0.09), 20.0, 0.1, "missed"),
        (Target("x", "", "ms", 9, 0.09), 20.0, None, "missed"),
        (Target("x", "", "ms", 9, 0.09), None, None, "not measured"),
        (Target("x", "", "MB/s", 300, more=True), 301.0, None, "met"),
        (Target("x", "", "/s", None, 8, more=True), 10.0, 8.5, "met"),
        (Target("x", "", "/s", None, 8, more=True), 10.0, None, "–"),
        (Target("x", "", "ms"), 10.0, 2.0, "–"),
    ],
)
def test_verdict(target: Target, value: float | None, ratio: float | None, expected: str) -> None:
    assert verdict(target, value, ratio) == expected
