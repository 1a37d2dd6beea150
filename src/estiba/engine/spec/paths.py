"""Paths as a container sees them."""

from __future__ import annotations

import posixpath


def clean(path: str) -> str:
    """The absolute path without `.`, `..` and needless slashes; a relative one counts from the root."""
    return posixpath.normpath("/" + path.lstrip("/"))
