"""Times as Docker's clients write them: Go durations (1h30m) and points in time, for filters and health checks."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

from estiba.errors import InvalidArgument

_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
# no more digits than 64 bits need: converting a long text takes long
_PART = re.compile(r"(\d{1,19}(?:\.\d{0,19})?|\.\d{1,19})(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)?")
_SHORTER = ("%Y-%m-%dT%H:%M", "%Y-%m-%dT%H", "%Y-%m-%d")
_UNIX = re.compile(r"(-?\d{1,18})(?:\.(\d{1,9})\d*)?", re.ASCII)


def parse_duration(text: str) -> int:
    """Nanoseconds of a Go duration. Raises InvalidArgument: time: invalid duration "x"."""
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if rest == "0":
        return 0
    total, position = 0.0, 0
    exact = 0
    while match := _PART.match(rest, position):
        number, unit = match.group(1), _UNITS[match.group(2)]
        if number.isdigit():
            exact += int(number) * unit
        else:
            total += float(number) * unit
        position = match.end()
    if not rest or position != len(rest):
        raise InvalidArgument(f'time: invalid duration "{text}"')
    return sign * (exact + round(total))


def parse_time(text: str) -> int:
    """Nanoseconds since 1970 of RFC 3339 text as images carry it; fractions up to nine digits, no zone is UTC.

    Raises:
        InvalidArgument: it is no such thing.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise InvalidArgument(f"cannot read the time {text!r}")
    try:
        moment = datetime.fromisoformat(match.group(1) + (match.group(3) or "+00:00").upper().replace("Z", "+00:00"))
        days = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidArgument(f"cannot read the time {text!r}: {error}") from None
    seconds = days.days * 86_400 + days.seconds
    return seconds * 1_000_000_000 + int((match.group(2) or "").ljust(9, "0") or "0")


def parse_moment(text: str, now_ns: int | None = None) -> int:
    """Nanoseconds since 1970 of what filters take: a duration before now, unix seconds, or a date in the local zone.

    Raises:
        InvalidArgument: none of them.
    """
    unix = _UNIX.fullmatch(text)
    if unix:
        return int(unix.group(1)) * 1_000_000_000 + int((unix.group(2) or "0").ljust(9, "0"))
    try:
        return (time.time_ns() if now_ns is None else now_ns) - parse_duration(text)
    except InvalidArgument:
        pass
    if _RFC3339.fullmatch(text) and (text[-1] in "Zz" or text[-6] in "+-"):
        return parse_time(text)
    for form in ("%Y-%m-%dT%H:%M:%S", *_SHORTER):
        try:
            return int(datetime.strptime(text, form).astimezone().timestamp()) * 1_000_000_000
        except (ValueError, OverflowError):
            continue
    raise InvalidArgument(f'failed to parse value as time or duration: "{text}"')


def format_time(ns: int) -> str:
    """RFC 3339 in UTC, trailing zeros of the fraction cut, as Go writes it."""
    seconds, fraction = divmod(ns, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()
    return f"{moment}.{fraction:09d}".rstrip("0").rstrip(".") + "Z"
