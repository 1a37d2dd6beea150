"""Samples and what is said of them: medians, tenth percentiles, ratios, verdicts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

ESTIBA = "estiba"
DOCKER = "docker"


def quantile(samples: list[float], share: float) -> float:
    """The sample below which `share` (0 … 1) of the others lie, interpolated. Raises ValueError without samples."""
    if not samples:
        raise ValueError("no samples")
    ordered = sorted(samples)
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


@dataclass(frozen=True)
class Target:
    """What one figure should be.

    Attributes:
        name: the figure among those that a row's sample holds.
        label: for people.
        unit: of the figure.
        limit: at most this; at least where more is better. None: nothing absolute is asked for.
        ratio: the same for Estiba's part of Docker's figure; where nothing is asked for but a limit, what that limit
            was of Docker's figure when it was set. A loaded machine cannot meet limits: then the ratio counts.
        both: the ratio is asked for beside the limit.
        more: more is better.
    """

    name: str
    label: str
    unit: str
    limit: float | None = None
    ratio: float | None = None
    both: bool = False
    more: bool = False


@dataclass
class Series:
    """All samples of one row: engine → figure → samples in the order in which they were taken."""

    samples: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def add(self, engine: str, sample: dict[str, float]) -> None:
        """One repetition's figures."""
        of_engine = self.samples.setdefault(engine, {})
        for name, value in sample.items():
            of_engine.setdefault(name, []).append(value)

    def median(self, engine: str, name: str) -> float | None:
        """None where nothing was measured."""
        samples = self.samples.get(engine, {}).get(name)
        return quantile(samples, 0.5) if samples else None

    def best(self, engine: str, name: str, *, more: bool = False) -> float | None:
        """The tenth percentile: what a quiet machine would show (the ninetieth where more is better)."""
        samples = self.samples.get(engine, {}).get(name)
        return quantile(samples, 0.9 if more else 0.1) if samples else None

    def ratio(self, name: str) -> float | None:
        """The median over the repetitions of Estiba's figure by Docker's next to it in time: noise hits both."""
        ours = self.samples.get(ESTIBA, {}).get(name, [])
        theirs = self.samples.get(DOCKER, {}).get(name, [])
        pairs = [mine / other for mine, other in zip(ours, theirs, strict=False) if other]
        return quantile(pairs, 0.5) if pairs else None


def verdict(target: Target, value: float | None, ratio: float | None) -> str:
    """ "met"; "ratio": only the ratio is; "missed"; "–" where nothing is asked for."""
    if value is None:
        return "not measured"
    near = None if target.ratio is None or ratio is None else _within(ratio, target.ratio, target.more)
    if target.limit is None:
        return "–" if near is None else ("met" if near else "missed")
    if _within(value, target.limit, target.more) and (near is not False or not target.both):
        return "met"
    return "ratio" if near else "missed"


def _within(value: float, limit: float, more: bool) -> bool:
    return value >= limit if more else value <= limit
