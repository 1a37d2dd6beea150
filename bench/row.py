"""What a row of the table is: how one repetition is taken on one engine, and what should come out."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import debian
from bench.figures import DOCKER, ESTIBA, Target

if TYPE_CHECKING:
    from pathlib import Path

    from bench.engines import Engine

Sampler = Callable[[], dict[str, float]]


@dataclass(frozen=True)
class Setting:
    """What all rows of a run share.

    Attributes:
        directory: for files of the run, on the disk that holds Estiba's root.
        memory: a directory in memory, where the disk should not count.
        quick: small numbers: shows that the bench works, not how fast the engines are.
    """

    directory: Path
    memory: Path
    quick: bool

    def size(self, full: int, quick: int) -> int:
        """One of two numbers."""
        return quick if self.quick else full

    @functools.cached_property
    def debian(self) -> tuple[Path, Path]:
        """(docker-archive, layer), made when first asked for."""
        place = self.directory / "debian"
        place.mkdir()
        return debian.debian(place)


@dataclass(frozen=True)
class Row:
    """One thing that is measured.

    Attributes:
        name: for --only.
        measure: opens what the repetitions need on an engine, and gives the function that takes one:
            figure → value.
        targets: the figures that the table shows.
        repeat, quick: repetitions.
        warm: repetitions before the first that counts.
        engines: on which it is measured.
    """

    name: str
    measure: Callable[[Engine, Setting], AbstractContextManager[Sampler]]
    targets: tuple[Target, ...]
    repeat: int
    quick: int
    warm: int = 1
    engines: tuple[str, ...] = (ESTIBA, DOCKER)


@contextmanager
def timed(sample: dict[str, float], name: str) -> Iterator[None]:
    """Add the milliseconds of the block to a sample."""
    began = time.perf_counter()
    yield
    sample[name] = (time.perf_counter() - began) * 1000
