"""Signals by name or number, as Docker's clients write them."""

from __future__ import annotations

import signal
from typing import Final

from estiba.errors import InvalidArgument

_HIGHEST: Final = 64
_REALTIME: Final = {f"RTMIN+{n}": 34 + n for n in range(1, 16)} | {f"RTMAX-{n}": 64 - n for n in range(1, 15)}
_NUMBERS: Final = {
    **{name.removeprefix("SIG"): number.value for name, number in signal.Signals.__members__.items()},
    "RTMIN": 34,
    "RTMAX": 64,
    **_REALTIME,
}


def parse_signal(text: str) -> int:
    """The number of `9`, `KILL`, `SIGKILL`, `kill`, `RTMIN+3`. Raises InvalidArgument."""
    if text.isascii() and text.isdecimal():
        digits = text.lstrip("0")
        if digits and len(digits) <= len(str(_HIGHEST)) and int(digits) <= _HIGHEST:
            return int(digits)
        raise InvalidArgument(f"invalid signal: {text}")
    found = _NUMBERS.get(text.upper().removeprefix("SIG"))
    if found is None:
        raise InvalidArgument(f"invalid signal: {text}")
    return found


def signal_number(text: str, default: int) -> int:
    """As `parse_signal`; the default for the empty text."""
    return parse_signal(text) if text else default
