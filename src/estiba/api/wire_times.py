"""Times and durations as Docker writes them."""

from __future__ import annotations

import time

ZERO_TIME = "0001-01-01T00:00:00Z"
NANOSECONDS = 1_000_000_000

_MINUTE = 60
_HOUR = 3600
_HOURS_SHOWN = 48
_DAY = 24
_WEEK = 7 * _DAY
_MONTH = 30 * _DAY
_YEAR = 365 * _DAY


def rfc3339(nanoseconds: int) -> str:
    """Go's RFC3339Nano in UTC, trailing zeros of the fraction cut; 0 is Go's zero time."""
    if not nanoseconds:
        return ZERO_TIME
    seconds, fraction = divmod(nanoseconds, NANOSECONDS)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{text}.{fraction:09d}".rstrip("0") + "Z" if fraction else text + "Z"


def _counted(number: int, unit: str) -> str:
    return f"{number} {unit}"


def human_duration(seconds: float) -> str:
    """A rough duration in words, as in a container's status: units grow by fixed borders, hours are rounded."""
    whole = int(seconds)
    if whole < 1:
        return "Less than a second"
    if whole < _MINUTE:
        return "1 second" if whole == 1 else _counted(whole, "seconds")
    if whole < _HOUR:
        return "About a minute" if whole < 2 * _MINUTE else _counted(whole // _MINUTE, "minutes")
    hours = int(seconds / _HOUR + 0.5)
    if hours == 1:
        return "About an hour"
    if hours < _HOURS_SHOWN:
        return _counted(hours, "hours")
    if hours < 2 * _WEEK:
        return _counted(hours // _DAY, "days")
    if hours < 2 * _MONTH:
        return _counted(hours // _WEEK, "weeks")
    if hours < 2 * _YEAR:
        return _counted(hours // _MONTH, "months")
    return _counted(hours // _YEAR, "years")
