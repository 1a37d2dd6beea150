"""Failures of the file system, told as sentences."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING

from estiba.errors import SystemFailure, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def no_space(action: str, place: Path | str) -> Unavailable:
    """The error for a full file system: what could not be done, and where space is missing."""
    return Unavailable(f"cannot {action}: no space left on device (the file system of {place} is full)")


def is_full(error: OSError) -> bool:
    """Whether the error says that space, inodes or a quota ran out."""
    return error.errno in _FULL


@contextmanager
def explained(action: str, place: Path | str) -> Iterator[None]:
    """Turn an OSError of the block into Unavailable (no space) or SystemFailure: "cannot ACTION: reason"."""
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise no_space(action, place) from error
        where = f": {error.filename}" if error.filename else ""
        raise SystemFailure(f"cannot {action}: {error.strerror or error}{where}") from error
