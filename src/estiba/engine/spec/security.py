"""Rights of a container: capabilities, and the options of --security-opt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from estiba.errors import InvalidArgument
from estiba.linux.capabilities import NAMES, is_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from estiba.engine.config import HostConfig

DEFAULT_CAPABILITIES: Final = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
)
ALL: Final = "ALL"
_TRUE: Final = ("1", "t", "T", "true", "True", "TRUE")
_FALSE: Final = ("0", "f", "F", "false", "False", "FALSE")


@dataclass(frozen=True)
class SecurityOptions:
    """What --security-opt asked for.

    Attributes:
        seccomp: None: Docker's profile; "unconfined"; else the text of a profile.
        seccomp_named: whether any of these was asked for: a privileged container has no filter otherwise.
        apparmor, labels: recorded, effective only where the kernel has such modules.
        unmasked: no masked and no read-only paths.
        writable_cgroups: /sys/fs/cgroup is not read-only.
    """

    no_new_privileges: bool = False
    seccomp: str | None = None
    seccomp_named: bool = False
    apparmor: str = ""
    labels: tuple[str, ...] = ()
    unmasked: bool = False
    writable_cgroups: bool = False


def parse_security_options(options: Sequence[str] | None) -> SecurityOptions:
    """Read HostConfig.SecurityOpt; of one option given twice the last counts.

    Raises InvalidArgument for an option that there is not. Docker's number in the text says what is wrong with it:
    1, it is no pair; 2, name or value are unknown.
    """
    found: dict[str, object] = {}
    labels: list[str] = []
    for option in options or ():
        key, value = _split(option)
        match key:
            case "no-new-privileges":
                found["no_new_privileges"] = _boolean(value, option)
            case "seccomp":
                found["seccomp"] = None if value in ("", "builtin") else value
                found["seccomp_named"] = value != ""
            case "apparmor":
                found["apparmor"] = value
            case "label":
                labels.append(value)
            case "systempaths" if value == "unconfined":
                found["unmasked"] = True
            case "writable-cgroups":
                found["writable_cgroups"] = _boolean(value, option)
            case _:
                raise InvalidArgument(f'invalid --security-opt 2: "{option}"')
    return SecurityOptions(labels=tuple(labels), **found)  # type: ignore[arg-type]


def _split(option: str) -> tuple[str, str]:
    if option == "no-new-privileges":
        return option, "true"
    if option == "disable":
        return "label", "disable"
    for separator in ("=", ":"):
        key, found, value = option.partition(separator)
        if found:
            return key, value
    raise InvalidArgument(f'invalid --security-opt 1: "{option}"')


def _boolean(value: str, option: str) -> bool:
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise InvalidArgument(f'invalid --security-opt 2: "{option}"')


def check_capabilities(host: HostConfig, available: frozenset[str]) -> None:
    """Raises InvalidArgument for a name that is no capability, or one that this machine cannot give or take."""
    for field, names in (("CapAdd", host.cap_add), ("CapDrop", host.cap_drop)):
        for name in map(normalised, names or ()):
            if name == ALL:
                continue
            if not is_name(name):
                raise InvalidArgument(f'invalid {field}: unknown capability: "{name}"')
            if name not in available:
                raise InvalidArgument(
                    f"invalid {field}: capability not supported by your kernel or not available in the current "
                    f'environment: "{name}"'
                )


def normalised(name: str) -> str:
    """`net_admin` → CAP_NET_ADMIN; ALL stays."""
    upper = name.upper()
    return upper if upper == ALL or upper.startswith("CAP_") else f"CAP_{upper}"


def effective_capabilities(host: HostConfig, available: frozenset[str]) -> list[str]:
    """The capabilities of the container's processes: Docker's default ones, added, dropped.

    What this machine does not have is left out.
    """
    added = [normalised(name) for name in host.cap_add or ()]
    dropped = {normalised(name) for name in host.cap_drop or ()}
    if host.privileged:
        return all_capabilities(available)
    if ALL in added:
        return [name for name in all_capabilities(available) if name not in dropped]
    kept = () if ALL in dropped else (name for name in DEFAULT_CAPABILITIES if name not in dropped)
    return _available(dict.fromkeys((*kept, *added)), available)


def all_capabilities(available: frozenset[str]) -> list[str]:
    """Everything that this machine can give, in the order of the numbers."""
    return _available(NAMES, available)


def _available(names: Iterable[str], available: frozenset[str]) -> list[str]:
    return [name for name in names if name in available]
