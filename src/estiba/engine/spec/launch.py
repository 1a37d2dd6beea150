"""What a specification is built from besides the container's record: found out anew at each start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from estiba.engine.spec.users import User
    from estiba.linux.host import Host
    from estiba.oci.runtime_spec import Mount


@dataclass(frozen=True)
class Launch:
    """The facts of one start.

    Attributes:
        host: the machine.
        root: mounts of the root file system, the first is `/`.
        attach: the empty directory on which it is attached.
        files: host paths by target of the files that the engine writes (/etc/hosts, …).
        sources: host path of each bind and volume, by its target.
        extra: mounts of images (type=image), by target.
        user: who the program runs as.
        cgroup: absolute path of the cgroup.
        joined: namespaces of others, type to path (`network`: /proc/123/ns/net).
        hostname: what the UTS namespace gets; "" leaves it alone.
        init: path of the program that is PID 1 with --init; "" without.
        shm: another container's /dev/shm as /proc/PID/root/dev/shm, or the host's; "" for an own one.
    """

    host: Host
    root: list[Mount]
    attach: str
    files: Mapping[str, str]
    sources: Mapping[str, str]
    extra: Mapping[str, list[Mount]]
    user: User
    cgroup: str
    joined: Mapping[str, str]
    hostname: str
    init: str = ""
    shm: str = ""
