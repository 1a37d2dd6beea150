"""What long work on images tells while it goes on: one value for every line a client may show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from estiba.errors import Cancelled

if TYPE_CHECKING:
    from threading import Event


@dataclass(frozen=True, slots=True)
class Progress:
    """One step.

    Attributes:
        status: what goes on with `id` ("Loading layer"); shown again and again in one line.
        current, total: bytes; None where nothing is counted.
        stream: text to be printed as it is, with its newline.
        aux: a result for programs.
    """

    status: str = ""
    id: str = ""
    current: int | None = None
    total: int | None = None
    stream: str = ""
    aux: dict[str, Any] | None = None


Report: TypeAlias = Callable[[Progress], None]


def silent(_progress: Progress) -> None:
    """A Report for whom nobody listens."""


def check_cancelled(cancel: Event | None) -> None:
    """Raises Cancelled when the caller has given up."""
    if cancel is not None and cancel.is_set():
        raise Cancelled("the caller gave up; nothing of it was kept")
