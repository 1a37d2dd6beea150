"""The query of a request: Docker's rules for booleans, numbers, filters and times."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

import msgspec

from estiba.errors import InvalidArgument, SystemFailure

if TYPE_CHECKING:
    from collections.abc import Iterator

_FALSE = frozenset({"", "0", "no", "false", "none"})
_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2}).{0,2}", re.DOTALL)
_INT64_MAX = (1 << 63) - 1
_DIGITS_OF_A_NANOSECOND = 9
_LONGEST_INTEGER = 20

Filters = dict[str, list[str]]


class _Platform(msgspec.Struct, frozen=True):
    os: str = ""
    architecture: str = ""
    variant: str = ""


def unescape(text: str) -> str:
    """Percent-decoding; bytes that are not UTF-8 become U+FFFD. Raises InvalidArgument for a broken escape."""
    if "%" not in text:
        return text
    if (broken := _BAD_ESCAPE.search(text)) is not None:
        raise InvalidArgument(f'invalid URL escape "{broken.group()}"')
    return unquote_to_bytes(text).decode("utf-8", "replace")


def parse_integer(text: str, function: str = "strconv.Atoi", bits: int = 64) -> int:
    """A decimal number as Go reads it.

    Raises:
        SystemFailure: with Go's words; Docker answers such a parameter with 500.
    """
    if not _INTEGER.fullmatch(text):
        raise SystemFailure(f'{function}: parsing "{text}": invalid syntax')
    limit = 1 << (bits - 1)
    if len(text) > _LONGEST_INTEGER or not -limit <= int(text) < limit:
        raise SystemFailure(f'{function}: parsing "{text}": value out of range')
    return int(text)


def parse_filters(text: str) -> Filters:
    """Both JSON forms of filters, {"name": ["a"]} and {"name": {"a": true}}; "" is none.

    Raises InvalidArgument "invalid filter".
    """
    if not text:
        return {}
    try:
        decoded = msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise InvalidArgument("invalid filter") from None
    if decoded is None:
        return {}
    if not isinstance(decoded, dict):
        raise InvalidArgument("invalid filter")
    lists = all(value is None or _strings(value) for value in decoded.values())
    tables = all(value is None or _flags(value) for value in decoded.values())
    if not lists and not tables:
        raise InvalidArgument("invalid filter")
    return {key: list(value or ()) for key, value in decoded.items()}


def _strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _flags(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(item, bool) for item in value.values())


class Query:
    """The parameters after the `?`, decoded when first asked for. The first value of a repeated key counts.

    Attributes:
        raw: the text as it came.
    """

    def __init__(self, raw: str) -> None:
        self.raw = raw
        self._values: dict[str, list[str]] | None = None

    def _parsed(self) -> dict[str, list[str]]:
        if self._values is None:
            values: dict[str, list[str]] = {}
            for key, value in self._pairs():
                values.setdefault(key, []).append(value)
            self._values = values
        return self._values

    def _pairs(self) -> Iterator[tuple[str, str]]:
        for part in self.raw.split("&"):
            if part:
                if ";" in part:
                    raise InvalidArgument("invalid semicolon separator in query")
                key, _, value = part.replace("+", " ").partition("=")
                yield unescape(key), unescape(value)

    def __contains__(self, key: str) -> bool:
        return key in self._parsed()

    def text(self, key: str, default: str = "") -> str:
        """The value as it is; `default` when the key is absent."""
        values = self._parsed().get(key)
        return values[0] if values else default

    def texts(self, key: str) -> list[str]:
        """All values of a repeated key."""
        return list(self._parsed().get(key, ()))

    def boolean(self, key: str, default: bool = False) -> bool:
        """False are "", 0, no, false and none, in any case; everything else is true."""
        if key not in self._parsed():
            return default
        return self.text(key).strip().lower() not in _FALSE

    def integer(self, key: str) -> int | None:
        """A whole number; None when absent or empty. Raises SystemFailure, as Docker does, for anything else."""
        text = self.text(key)
        return parse_integer(text) if text else None

    def lenient_integer(self, key: str, default: int) -> int:
        """A whole number; `default` for anything else."""
        try:
            return parse_integer(self.text(key))
        except SystemFailure:
            return default

    def platform(self) -> str:
        """os/architecture[/variant] of the parameter `platform`, a JSON object as in OCI; "" when absent.

        Raises InvalidArgument.
        """
        text = self.text("platform")
        if not text:
            return ""
        try:
            platform = msgspec.json.decode(text, type=_Platform)
        except msgspec.MsgspecError as error:
            raise InvalidArgument(f"failed to parse platform: {error}") from None
        return "/".join(part for part in (platform.os, platform.architecture, platform.variant) if part)

    def filters(self) -> Filters:
        """The parameter `filters`. Raises InvalidArgument."""
        return parse_filters(self.text("filters"))

    def moment(self, key: str) -> int | None:
        """Unix seconds, with a fraction if wanted, in ns; None when absent. Raises SystemFailure, as Docker does."""
        text = self.text(key)
        if not text:
            return None
        seconds, point, fraction = text.partition(".")
        whole = parse_integer(seconds, "strconv.ParseInt") * 1_000_000_000
        if point:
            part = parse_integer(fraction, "strconv.ParseInt")
            whole += int(part * 10.0 ** (_DIGITS_OF_A_NANOSECOND - len(fraction)))
        return max(min(whole, _INT64_MAX), -_INT64_MAX)
