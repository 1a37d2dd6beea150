"""A process's environment, in Docker's order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def build_environment(
    configured: Iterable[str], *, hostname: str, terminal: bool, home: str, extra: Iterable[str] = ()
) -> list[str]:
    """PATH, HOSTNAME, TERM with a terminal, what is configured, then what an exec adds (extra); HOME if it is missing.

    A name that is there already is replaced in its place; `NAME` without `=` removes it. Of a name configured twice the
    last one stays, where it stands.
    """
    base = [f"PATH={DEFAULT_PATH}", f"HOSTNAME={hostname}"]
    if terminal:
        base.append("TERM=xterm")
    variables = _last_of_each(override(override(base, configured), extra))
    if not any(setting.startswith("HOME=") and setting != "HOME=" for setting in variables):
        variables = [setting for setting in variables if setting != "HOME="]
        variables.append(f"HOME={home}")
    return variables


def override(base: Iterable[str], settings: Iterable[str]) -> list[str]:
    """`base` with settings replaced, removed or appended."""
    found: list[str | None] = list(base)
    places = {setting.partition("=")[0]: index for index, setting in enumerate(found) if setting is not None}
    for setting in settings:
        name, separator, _ = setting.partition("=")
        if name in places:
            found[places[name]] = setting if separator else None
        elif separator:
            found.append(setting)
    return [setting for setting in found if setting is not None]


def _last_of_each(variables: list[str]) -> list[str]:
    kept: dict[str, str] = {}
    for setting in reversed(variables):
        kept.setdefault(setting.partition("=")[0], setting)
    return list(reversed(kept.values()))
