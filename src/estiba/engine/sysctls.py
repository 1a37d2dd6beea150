"""Kernel parameters of a container: which it may set, and those that it gets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from estiba.errors import StartFailed

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from estiba.engine.state import Container

_IPC: Final = frozenset(
    f"kernel.{name}" for name in ("msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni", "shm_rmid_forced")
)
_NAME: Final = re.compile(r"[A-Za-z0-9_.\-/]+")
_DEFAULTS: Final = {"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"}
_PREFIX: Final = (
    "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: "
)


def build_sysctls(container: Container, own: AbstractSet[str]) -> dict[str, str]:
    """The parameters to set; `own` are the kinds of namespaces that the container does not share.

    Raises StartFailed for one that is not the container's alone.
    """
    chosen = dict(_DEFAULTS) if "network" in own else {}
    if container.config.domainname and "uts" in own:
        chosen["kernel.domainname"] = container.config.domainname
    for name, value in (container.host.sysctls or {}).items():
        _check(name, value, own)
        chosen[name] = value
    return chosen


def _check(name: str, value: str, own: AbstractSet[str]) -> None:
    normal = name.replace("/", ".")
    problem = ""
    if normal in _IPC or normal.startswith("fs.mqueue."):
        if "ipc" not in own:
            problem = f'sysctl "{name}" is not allowed in the hosts ipc namespace'
    elif normal.startswith("net."):
        if "network" not in own:
            problem = f'sysctl "{name}" not allowed in host network namespace'
    elif normal == "kernel.domainname":
        if "uts" not in own:
            problem = f'sysctl "{name}" is not allowed in the hosts UTS namespace'
    elif normal == "kernel.hostname":
        problem = f'sysctl "{name}" is not allowed as it conflicts with the OCI "hostname" field'
    else:
        problem = f'sysctl "{name}" is not in a separate kernel namespace'
    if not problem and (not _NAME.fullmatch(name) or "\n" in value or ".." in name):
        problem = f'sysctl "{name}" has a name or value that cannot be set'
    if problem:
        raise StartFailed(_PREFIX + problem, exit_code=128, status=500)
