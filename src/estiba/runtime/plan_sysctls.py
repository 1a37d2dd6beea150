"""Kernel settings of a container: only those that one of its own namespaces keeps apart from the host's."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Final

from estiba.runtime.plan_explain import refused
from estiba.runtime.plan_operations import Code, encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NAME: Final = re.compile(r"[A-Za-z0-9_.\-/:@]+")
_IPC: Final = frozenset(
    f"kernel.{name}" for name in ["msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced"]
)


def records(settings: Mapping[str, str], namespaces: Iterable[str]) -> list[bytes]:
    """OP_SYSCTL for each. namespaces are the types that the specification lists, made or joined.

    Raises StartFailed, in runc's words, for a setting that would be the host's.
    """
    own = frozenset(namespaces)
    found = []
    for name, value in settings.items():
        record, dotted = _record(name, value)
        _check(dotted, own)
        found.append(record)
    return found


@functools.lru_cache(maxsize=256)
def _record(name: str, value: str) -> tuple[bytes, str]:
    """The record and the name with dots. A name whose first separator is a slash has its dots inside (sysctl.d(5))."""
    slash, dot = name.find("/"), name.find(".")
    swapped = name.translate(str.maketrans("./", "/."))
    path, dotted = (name, swapped) if slash >= 0 and (dot < 0 or slash < dot) else (swapped, name)
    if not _NAME.fullmatch(name) or "\n" in value or not all(part.strip(".") for part in path.split("/")):
        raise refused(f'sysctl "{name}" is not a valid setting')
    return encode(Code.SYSCTL, strings=(path, value)), dotted


def _check(name: str, own: frozenset[str]) -> None:
    if name in _IPC or name.startswith("fs.mqueue."):
        if "ipc" not in own:
            raise refused(f'sysctl "{name}" is not allowed in the hosts ipc namespace')
    elif name.startswith("net."):
        if "network" not in own:
            raise refused(f'sysctl "{name}" not allowed in host network namespace')
    elif name == "kernel.hostname" and "uts" in own:
        raise refused(f'sysctl "{name}" is not allowed as it conflicts with the OCI "hostname" field')
    elif name != "kernel.domainname" or "uts" not in own:
        raise refused(f'sysctl "{name}" is not in a separate kernel namespace')
