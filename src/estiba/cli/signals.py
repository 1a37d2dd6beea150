"""Signals as readable events: caught by a wake-up pipe, so that one poll loop sees them beside its streams."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Iterable
    from typing import Any
else:
    import _signal  # signal without its enums: 3 ms of a start of run

WINCH = 28
# cannot be caught, or are the process's own business: KILL, STOP, CHLD, PIPE, URG; the faults
_NEVER = (4, 7, 8, 9, 11, 13, 17, 19, 23)
ALL = tuple(number for number in range(1, 32) if number not in _NEVER)
_NAMES = (
    *(
        "HUP",
        "INT",
        "QUIT",
        "ILL",
        "TRAP",
        "ABRT",
        "BUS",
        "FPE",
        "KILL",
        "USR1",
        "SEGV",
        "USR2",
        "PIPE",
        "ALRM",
        "TERM",
    ),
    *("STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH"),
    *("IO", "PWR", "SYS"),
)


def name(number: int) -> str:
    """``TERM`` for 15."""
    return _NAMES[number - 1]


def _note(_number: int, _frame: object) -> None:
    """The number arrives through the pipe; Python needs a handler to write it there."""


class Signals:
    """Catches the given signals while it is open (context manager, main thread only)."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self._numbers = tuple(numbers)
        self._before: dict[int, Any] = {}
        self._read, self._write = -1, -1
        self._wakeup = -1

    def __enter__(self) -> Signals:
        self._read, self._write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._wakeup = _signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in self._numbers:
            self._before[number] = _signal.signal(number, _note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            _signal.signal(number, handler if handler is not None else _signal.SIG_DFL)
        _signal.set_wakeup_fd(self._wakeup)
        os.close(self._read)
        os.close(self._write)

    def fileno(self) -> int:
        return self._read

    def take(self) -> list[int]:
        """The signals that came since the last call, in order."""
        try:
            return list(os.read(self._read, 128))
        except BlockingIOError:
            return []
