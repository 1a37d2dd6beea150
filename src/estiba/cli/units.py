"""Sizes and durations as Docker writes and reads them (the rules of its units package; sizes in bytes, durations in
nanoseconds).
"""

from __future__ import annotations

KIBI = 1024
_DECIMAL = ("B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB")
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB")
_POWERS = "kmgtp"
_DURATIONS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}


def _scaled(size: float, base: int, names: tuple[str, ...], precision: int) -> str:
    index = 0
    while size >= base and index < len(names) - 1:
        size /= base
        index += 1
    return f"{size:.{precision}g}{names[index]}"


def human_size(size: float, precision: int = 4) -> str:
    """Decimal: ``1.23MB``."""
    return _scaled(size, 1000, _DECIMAL, precision)


def bytes_size(size: float) -> str:
    """Binary, four digits: ``7.629MiB``."""
    return _scaled(size, 1024, _BINARY, 4)


def human_duration(seconds: float) -> str:
    """``About a minute``, ``3 weeks``: the words of the CREATED and STATUS columns."""
    whole = int(seconds)
    minutes, hours = int(seconds / 60), int(seconds / 3600 + 0.5)
    if whole < 1:
        return "Less than a second"
    if whole == 1:
        return "1 second"
    if whole < 60:
        return f"{whole} seconds"
    if minutes == 1:
        return "About a minute"
    if minutes < 60:
        return f"{minutes} minutes"
    return "About an hour" if hours == 1 else _long_duration(hours, seconds)


def _long_duration(hours: int, seconds: float) -> str:
    if hours < 48:
        return f"{hours} hours"
    if hours < 24 * 7 * 2:
        return f"{hours // 24} days"
    if hours < 24 * 30 * 2:
        return f"{hours // 24 // 7} weeks"
    if hours < 24 * 365 * 2:
        return f"{hours // 24 // 30} months"
    return f"{int(seconds / 3600) // 24 // 365} years"


def go_float(text: str) -> float:
    """A decimal number; ValueError with Go's wording."""
    try:
        if not text or text != text.strip() or "_" in text:
            raise ValueError
        return float(text)
    except ValueError:
        raise ValueError(f'strconv.ParseFloat: parsing "{text}": invalid syntax') from None


def parse_size(text: str) -> int:
    """Bytes of ``512``, ``64m``, ``1.5GiB``, ``2 kb`` (binary units, any case).

    Raises:
        ValueError: with Docker's wording.
    """
    cut = max((text.rfind(char) for char in "0123456789. "), default=-1)
    if cut == -1:
        raise ValueError(f"invalid size: '{text}'")
    number, suffix = (text[:cut] if text[cut] == " " else text[: cut + 1]), text[cut + 1 :]
    value = go_float(number)
    if value < 0:
        raise ValueError(f"invalid size: '{text}'")
    if not suffix:
        return int(value)
    if len(suffix) > 3:
        raise ValueError(f"invalid suffix: '{suffix}'")
    suffix = suffix.lower()
    power = _POWERS.find(suffix[0]) + 1
    if (power and suffix[1:] in ("", "b", "ib")) or suffix == "b":
        return int(value * 1024**power)
    raise ValueError(f"invalid suffix: '{suffix}'")


def parse_memory_swap(text: str) -> int:
    """As parse_size, and ``-1`` for no limit."""
    return -1 if text == "-1" else parse_size(text)


def parse_duration(text: str) -> int:
    """Nanoseconds of a Go duration: ``1m30s``, ``1.5h``, ``-2ms``, ``0``.

    Raises:
        ValueError: with Go's wording.
    """
    sign = -1 if text.startswith("-") else 1
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return 0
    if not rest:
        raise ValueError(f'time: invalid duration "{text}"')
    total = 0
    while rest:
        digits = len(rest) - len(rest.lstrip("0123456789."))
        number, rest = rest[:digits], rest[digits:]
        if not number.replace(".", "", 1).isdigit():
            raise ValueError(f'time: invalid duration "{text}"')
        letters = 0
        while letters < len(rest) and rest[letters] not in "0123456789.":
            letters += 1
        unit, rest = rest[:letters], rest[letters:]
        if not unit:
            raise ValueError(f'time: missing unit in duration "{text}"')
        if unit not in _DURATIONS:
            raise ValueError(f'time: unknown unit "{unit}" in duration "{text}"')
        whole, _, fraction = number.partition(".")
        scale = _DURATIONS[unit]
        total += int(whole or 0) * scale + int(int(fraction or 0) * scale / 10 ** len(fraction))
    return sign * total
