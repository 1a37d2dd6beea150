"""Points in time as the engine's API writes them and as people give them to --since and --until."""

from __future__ import annotations

import time

from estiba.cli.units import parse_duration

ZERO = "0001-01-01T00:00:00Z"


def parse_instant(text: str) -> tuple[int, int]:
    """Unix seconds and nanoseconds of an RFC 3339 time; a date, minutes only, or no zone (then local) are understood
    too.

    Raises:
        ValueError: it is none.
    """
    date, _, clock = text.partition("T")
    zone = None
    if clock.endswith(("Z", "z")):
        clock, zone = clock[:-1], 0
    elif not clock and date.endswith(("Z", "z")):
        date, zone = date[:-1], 0
    else:
        for sign in "+-":
            head, found, offset = (clock if clock else "").rpartition(sign)
            if found:
                hours, _, minutes = offset.partition(":")
                zone = (int(hours) * 3600 + int(minutes or 0) * 60) * (1 if sign == "+" else -1)
                clock = head
    year, month, day = (int(part) for part in date.split("-"))
    clock, _, fraction = clock.partition(".")
    hour, minute, second = (*(int(part) for part in clock.split(":") if part), 0, 0, 0)[:3]
    nanoseconds = int(fraction[:9].ljust(9, "0")) if fraction else 0
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 61):
        raise ValueError(f"{text} is not a time")
    if zone is None:
        return int(time.mktime((year, month, day, hour, minute, second, 0, 0, -1))), nanoseconds
    return _utc(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - zone, nanoseconds


def _utc(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 (proleptic Gregorian; also for the year 1, which is Docker's "never")."""
    year -= month <= 2
    era = year // 400
    of_era = year - era * 400
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468


def seconds(text: str) -> float:
    """Unix seconds of a time from the API; never is a large negative number."""
    whole, nanoseconds = parse_instant(text)
    return whole + nanoseconds / 1e9


def to_api(text: str) -> str:
    """A --since or --until value as the API takes it: a duration before now, a date or time, or unix seconds.

    Raises:
        ValueError: none of these.
    """
    if text != "0":
        try:
            return str((time.time_ns() - parse_duration(text)) // 1_000_000_000)
        except ValueError:
            pass
    try:
        whole, nanoseconds = parse_instant(text)
        return f"{whole}.{nanoseconds:09d}"
    except ValueError:
        pass
    whole_text, _, fraction = text.partition(".")
    if whole_text.lstrip("-").isdigit() and (fraction.isdigit() or not fraction):
        return text
    raise ValueError(f'failed to parse value as time or duration: "{text}"')


def local_text(unix: int) -> str:
    """Go's text of a local time, as in the CREATED AT columns: ``2026-11-24 10:46:02 +0000 UTC``."""
    parts = time.localtime(unix)
    return time.strftime("%Y-%m-%d %H:%M:%S %z %Z", parts)
