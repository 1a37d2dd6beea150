"""How a container is: one struct per state, each carrying only what exists in it. Times are ns since the epoch."""

from __future__ import annotations

from typing import Union

import msgspec

from estiba.engine.config import ContainerConfig, EndpointConfig, HostConfig


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How the last run ended. exit_code is Docker's: the program's, 128+signal, or 125 to 128 for a failed start."""

    exit_code: int = 0
    oom_killed: bool = False
    error: str = ""
    started_at: int = 0
    finished_at: int = 0


class Created(msgspec.Struct, frozen=True, kw_only=True, tag="created"):
    """Never ran; exit_code and error are those of a failed start."""

    exit_code: int = 0
    error: str = ""


class Running(msgspec.Struct, frozen=True, kw_only=True, tag="running"):
    """Its init is alive. pid is the host's; held: it is paused by a piece of work of this engine (a commit)."""

    pid: int
    started_at: int
    paused: bool = False
    held: bool = False
    previous_finish: int = 0


class Restarting(msgspec.Struct, frozen=True, kw_only=True, tag="restarting"):
    """Ended, and will be started again by its restart policy at next_start."""

    ended: Ended
    next_start: int


class Exited(msgspec.Struct, frozen=True, kw_only=True, tag="exited"):
    """Ended and stays so until somebody starts it."""

    ended: Ended


class Removing(msgspec.Struct, frozen=True, kw_only=True, tag="removing"):
    """Its removal has begun; a new engine finishes it."""

    ended: Ended


class Dead(msgspec.Struct, frozen=True, kw_only=True, tag="dead"):
    """Could not be removed completely; removing it again tries once more."""

    ended: Ended


State = Union[Created, Running, Restarting, Exited, Removing, Dead]  # noqa: UP007 - msgspec wants the runtime union


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """One health check; output at most 4,096 characters."""

    start: int
    end: int
    exit_code: int
    output: str


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """starting, healthy or unhealthy, with the last five probes."""

    status: str = "starting"
    failing_streak: int = 0
    log: tuple[Probe, ...] = ()


def not_watched(health: Health | None) -> Health | None:
    """What is said of the health while nothing can be probed (paused, ended): as in Docker it counts as unhealthy."""
    return None if health is None else msgspec.structs.replace(health, status="unhealthy")


class MountPoint(msgspec.Struct, frozen=True, kw_only=True):
    """A mount of the container as inspect shows it. type: bind, volume, tmpfs or image."""

    type: str
    destination: str
    source: str = ""
    name: str = ""
    driver: str = ""
    mode: str = ""
    rw: bool = True
    propagation: str = ""
    # what the launch needs and inspect does not show
    options: tuple[str, ...] = ()
    subpath: str = ""
    no_copy: bool = False
    anonymous: bool = False
    create_source: bool = False


class Container(msgspec.Struct, frozen=True, kw_only=True):
    """A container's record: what was asked for, and how it is.

    name has no slash. path and args are what is executed. image is the image's id (sha256:…), or that of an embedded
    image. endpoints are by network name. stopped_by_user tells restart policies that somebody stopped it.
    """

    id: str
    name: str
    created: int
    path: str
    args: list[str]
    image: str
    config: ContainerConfig
    host: HostConfig
    state: State
    platform: str = "linux"
    mounts: tuple[MountPoint, ...] = ()
    endpoints: dict[str, EndpointConfig] = {}
    restart_count: int = 0
    health: Health | None = None
    exec_ids: tuple[str, ...] = ()
    log_path: str = ""
    directory: str = ""
    ever_started: bool = False
    stopped_by_user: bool = False
    security_options: tuple[str, ...] = ()


def ended_of(state: State) -> Ended:
    """The last end that a state remembers; zero values while it never ended."""
    match state:
        case Restarting(ended=ended) | Exited(ended=ended) | Removing(ended=ended) | Dead(ended=ended):
            return ended
        case Created(exit_code=code, error=error):
            return Ended(exit_code=code, error=error)
        case Running(started_at=started, previous_finish=finished):
            return Ended(started_at=started, finished_at=finished)
