"""Regular expressions that clients bring: matched in linear time, in the syntax of Docker's own (RE2, as Go's regexp).

The standard library's take exponential time for some (`(a+)+$`), and nobody else computes meanwhile.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable


class Pattern(Protocol):
    """A compiled expression; both methods give something true for a match."""

    def search(self, text: str, /) -> object: ...
    def fullmatch(self, text: str, /) -> object: ...


@functools.lru_cache(maxsize=64)
def compiled(expression: str) -> Pattern:
    """The compiled expression. Raises ValueError: it is none, or larger than RE2 likes."""
    import re2  # ten milliseconds and three megabytes that few engines need

    options = re2.Options()
    options.log_errors = False
    try:
        found: Pattern = re2.compile(expression, options=options)
    except (re2.error, UnicodeError) as error:
        raise ValueError(f"invalid regular expression: {error}") from None
    return found


def is_found(expression: str, texts: Iterable[str]) -> bool:
    """Whether an expression is, or matches a part of, one of the texts; one that is none matches nothing else."""
    texts = tuple(texts)
    if expression in texts:
        return True
    try:
        pattern = compiled(expression)
    except ValueError:
        return False
    return any(pattern.search(text) for text in texts)
