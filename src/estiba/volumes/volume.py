"""What a volume is, which names it may have, and which filters it passes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from estiba.errors import InvalidArgument
from estiba.patterns import is_found

if TYPE_CHECKING:
    from pathlib import Path

Filters: TypeAlias = Mapping[str, Sequence[str]]
InUse: TypeAlias = Callable[[str], Sequence[str]]
"""Given a volume's name, the ids of the containers that have it, running or not."""

ANONYMOUS_LABEL = "com.docker.volume.anonymous"
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")
_LONGEST_NAME = 255


@dataclass(frozen=True)
class Volume:
    """A volume as recorded. labels and options are None where none were given, {} where an empty object was.

    Attributes:
        id: name of its directory; stays the same whatever the volume is called.
        mountpoint: the directory that containers see.
        created: RFC 3339, whole seconds.
    """

    id: str
    name: str
    mountpoint: Path
    created: str
    driver: str = "local"
    labels: Mapping[str, str] | None = None
    options: Mapping[str, str] | None = None

    @property
    def anonymous(self) -> bool:
        """Whether it was made without a name."""
        return ANONYMOUS_LABEL in (self.labels or {})


def check_name(name: str) -> None:
    """Raises InvalidArgument, in Docker's words, for a name that no volume may have."""
    if len(name.encode()) == 1:
        raise InvalidArgument(
            f"create {name}: volume name is too short, names should be at least two alphanumeric characters"
        )
    if not _NAME.fullmatch(name):
        raise InvalidArgument(
            f'create {name}: "{name}" includes invalid characters for a local volume name, only '
            '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path'
        )
    if len(name) > _LONGEST_NAME:
        raise InvalidArgument(f"create {name}: volume name is too long, {_LONGEST_NAME} characters are the most")


def check_options(name: str, options: Mapping[str, str]) -> None:
    """Raises InvalidArgument for every driver option: unknown to Docker's local driver, or not supported here."""
    for option in options:
        if option not in ("type", "o", "device", "size"):
            raise InvalidArgument(f'create {name}: invalid option: "{option}"')
    if options and "size" not in options and not options.get("device"):
        raise InvalidArgument(f'create {name}: missing required option: "device"')
    if options.get("device") and not options.get("type"):
        raise InvalidArgument(f'create {name}: missing required option: "type"')
    if options:
        raise InvalidArgument(
            f"create {name}: options of the local driver ({', '.join(sorted(options))}) are not supported; "
            "mount the file system on this machine and bind its directory instead"
        )


def matches(volume: Volume, filters: Filters) -> bool:
    """Whether a volume passes the filters name, driver, label and label! (values OR'ed; labels AND'ed)."""
    names, drivers = filters.get("name"), filters.get("driver")
    if names and not any(is_found(pattern, (volume.name,)) for pattern in names):
        return False
    if drivers and volume.driver not in drivers:
        return False
    labels = volume.labels or {}
    if not all(_has_label(labels, wanted) for wanted in filters.get("label", ())):
        return False
    return not any(_has_label(labels, unwanted) for unwanted in filters.get("label!", ()))


def truth(filters: Filters, key: str) -> bool | None:
    """The value of a yes-or-no filter, None where it is not given. Raises InvalidArgument as Docker."""
    values = filters.get(key)
    if not values:
        return None
    meanings = {"1": True, "true": True, "0": False, "false": False}
    found = {meanings.get(value) for value in values}
    if len(found) != 1 or None in found:
        if key == "all":
            raise InvalidArgument(f"invalid filter 'all': strconv.ParseBool: parsing \"{values[0]}\": invalid syntax")
        raise InvalidArgument(f"invalid filter '{key}=[{' '.join(values)}]'")
    return found.pop()


def _has_label(labels: Mapping[str, str], wanted: str) -> bool:
    key, separator, value = wanted.partition("=")
    return key in labels and (not separator or labels[key] == value)
