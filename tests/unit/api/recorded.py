"""Docker's recorded replies, and how ours are compared with them: keys and their order, kinds of values, emptiness."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parents[2] / "data" / "recorded"


def recorded(name: str) -> Any:
    """A recorded reply."""
    return json.loads((RECORDED / f"{name}.json").read_text())


def differences(ours: Any, theirs: Any, place: str = "", *, free: frozenset[str] = frozenset()) -> list[str]:
    """Where the structure differs; below the places in `free` (dotted keys) nothing is compared."""
    if place in free:
        return []
    if isinstance(theirs, dict) and isinstance(ours, dict):
        found = []
        if list(ours) != list(theirs):
            found.append(f"{place}: keys {list(ours)} instead of {list(theirs)}")
        for key in theirs.keys() & ours.keys():
            found += differences(ours[key], theirs[key], f"{place}.{key}", free=free)
        return found
    if isinstance(theirs, list) and isinstance(ours, list):
        if bool(ours) != bool(theirs):
            return [f"{place}: {ours} instead of {theirs}"]
        return [
            difference
            for mine, other in zip(ours, theirs, strict=False)
            for difference in differences(mine, other, f"{place}[]", free=free)
        ]
    if type(ours) is not type(theirs):
        return [f"{place}: {ours!r} instead of {theirs!r}"]
    return []
