"""A create request completed: the image's configuration merged in and the engine's defaults filled in."""

from __future__ import annotations

import functools
import glob
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from estiba.engine.config import ContainerConfig, EndpointConfig, HealthCheck, HostConfig, LogConfig
from estiba.engine.spec.paths import clean
from estiba.engine.spec.security import parse_security_options
from estiba.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable

    from estiba.engine.config import NetworkingConfig
    from estiba.engine.state import Container
    from estiba.linux.host import Host
    from estiba.oci.image import Defaults

DEFAULT_SHM: Final = 64 << 20
MASKED_PATHS: Final = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)
READONLY_PATHS: Final = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
_THERMAL: Final = "/sys/devices/system/cpu/cpu[0-9]*/thermal_throttle"  # tells of neighbours' load (moby 49560)
_UNMASKED: Final = "systempaths=unconfined"


@dataclass(frozen=True)
class Completed:
    """A request with nothing left open: what is recorded. endpoints by network name; path and args are executed."""

    config: ContainerConfig
    host: HostConfig
    endpoints: dict[str, EndpointConfig]
    path: str
    args: list[str]


def complete(
    config: ContainerConfig,
    host: HostConfig,
    networking: NetworkingConfig,
    image: Defaults,
    *,
    container_id: str,
    machine: Host,
    find: Callable[[str], Container | None],
) -> Completed:
    """Merge and fill in a request that `validate.check_request` has passed.

    Raises InvalidArgument: there is no command; a container whose namespaces are to be shared does not exist.
    """
    host = _with_donors(complete_host(host, machine), find)
    merged = _with_hostname(merge_image(config, image), host, container_id)
    endpoints = {} if config.network_disabled else _endpoints(host, networking)
    words = [*(merged.entrypoint or ()), *(merged.cmd or ())]
    if not words:
        raise InvalidArgument("no command specified")
    return Completed(config=merged, host=host, endpoints=endpoints, path=words[0], args=words[1:])


# the image


def merge_image(config: ContainerConfig, image: Defaults) -> ContainerConfig:
    """What the image says where the request does not; sets are united. ONBUILD and SHELL stay the image's own."""
    entrypoint, cmd = config.entrypoint, config.cmd
    if not entrypoint:
        cmd = cmd or image.cmd
        if entrypoint is None:
            entrypoint = image.entrypoint
    elif entrypoint == [""]:  # --entrypoint "": neither the image's entrypoint nor its command
        entrypoint = None
    return replace(
        config,
        user=config.user or image.user,
        exposed_ports=_united(config.exposed_ports, image.exposed_ports),
        env=_merged_env(config.env, image.env),
        cmd=cmd,
        entrypoint=entrypoint,
        healthcheck=_merged_health(config.healthcheck, image),
        volumes=_united(config.volumes, image.volumes),
        working_dir=clean(directory) if (directory := config.working_dir or image.working_dir) else "",
        labels={**(image.labels or {}), **(config.labels or {})},
        stop_signal=config.stop_signal or image.stop_signal,
    )


def _united(asked: dict[str, Any] | None, image: dict[str, Any] | None) -> dict[str, Any] | None:
    return {**(image or {}), **asked} if asked else image


def _merged_env(asked: list[str] | None, image: list[str] | None) -> list[str] | None:
    if not asked:
        return image
    names = {setting.partition("=")[0] for setting in asked}
    return [*asked, *(setting for setting in image or () if setting.partition("=")[0] not in names)]


def _merged_health(asked: HealthCheck | None, image: Defaults) -> HealthCheck | None:
    """Field by field; a test of [] or None is the image's."""
    own = image.healthcheck
    if own is None:
        return asked
    asked = asked or HealthCheck()
    return HealthCheck(
        test=asked.test or own.test,
        interval=asked.interval or own.interval,
        timeout=asked.timeout or own.timeout,
        start_period=asked.start_period or own.start_period,
        start_interval=asked.start_interval or own.start_interval,
        retries=asked.retries or own.retries,
    )


# the machine


def complete_host(host: HostConfig, machine: Host) -> HostConfig:
    """The engine's defaults for what the request leaves open; limits that this machine cannot set are dropped."""
    unmasked = parse_security_options(host.security_opt).unmasked
    swap = host.memory_swap if host.memory_swap or host.memory <= 0 else host.memory * 2
    limits = machine.limits
    old = machine.cgroup_version == 1
    return replace(
        host,
        log_config=LogConfig(type=host.log_config.type or "json-file", config=host.log_config.config or {}),
        restart_policy=replace(host.restart_policy, name=host.restart_policy.name or "no"),
        ipc_mode=host.ipc_mode or "private",
        cgroupns_mode=host.cgroupns_mode or ("host" if old else "private"),
        shm_size=host.shm_size or DEFAULT_SHM,
        runtime=host.runtime or "runc",
        memory_swap=swap,
        memory_swappiness=_swappiness(host) if limits.swappiness else None,
        oom_kill_disable=bool(host.oom_kill_disable) if limits.oom_kill_disable else None,
        pids_limit=host.pids_limit if host.pids_limit and host.pids_limit > 0 else None,
        blkio_weight=host.blkio_weight if limits.blkio_weight else 0,
        blkio_weight_device=host.blkio_weight_device
        if limits.blkio_weight_device or not host.blkio_weight_device
        else [],
        security_opt=_security_options(host),
        masked_paths=_paths(host, host.masked_paths, unmasked, default_masked_paths()),
        readonly_paths=_paths(host, host.readonly_paths, unmasked, list(READONLY_PATHS)),
    )


def default_masked_paths() -> list[str]:
    """Docker's list, with those of the processors that this machine has."""
    return [*MASKED_PATHS, *_processors_paths()]


@functools.cache
def _processors_paths() -> tuple[str, ...]:
    """Looked up once, as Docker does: it would be a third of the time that a create takes."""
    return tuple(sorted(glob.glob(_THERMAL)))


def _swappiness(host: HostConfig) -> int | None:
    return None if host.memory_swappiness == -1 else host.memory_swappiness


def _security_options(host: HostConfig) -> list[str] | None:
    """As asked; what the paths say already is left out, what follows from other options is added."""
    options = host.security_opt
    if options and _UNMASKED in options:
        options = [option for option in options if option != _UNMASKED]
    if host.privileged or "host" in (host.pid_mode, host.ipc_mode):
        options = [*(options or ()), "label=disable"]
    return options


def _paths(host: HostConfig, asked: list[str] | None, unmasked: bool, default: list[str]) -> list[str] | None:
    if unmasked:
        return []
    if asked is not None or host.privileged:
        return asked
    return default


# names and networks


def _with_donors(host: HostConfig, find: Callable[[str], Container | None]) -> HostConfig:
    """Containers whose namespaces are to be shared, by their ids. That of a network may still be made later."""
    return replace(
        host,
        network_mode=_donor("bridge" if host.network_mode in ("", "default") else host.network_mode, find),
        pid_mode=_donor(host.pid_mode, find, needed=True),
        ipc_mode=_donor(host.ipc_mode, find, needed=True),
    )


def _donor(mode: str, find: Callable[[str], Container | None], *, needed: bool = False) -> str:
    word, colon, reference = mode.partition(":")
    if word != "container" or not colon:
        return mode
    container = find(reference)
    if container is not None:
        return f"container:{container.id}"
    if needed:
        raise InvalidArgument(f"No such container: {reference}")
    return mode


def _endpoints(host: HostConfig, networking: NetworkingConfig) -> dict[str, EndpointConfig]:
    """One per network, the network mode's first; none in another container's network."""
    if host.network_mode.startswith("container:"):
        return {}
    asked = {
        "bridge" if name == "default" else name: endpoint or EndpointConfig()
        for name, endpoint in (networking.endpoints_config or {}).items()
    }
    return {host.network_mode: EndpointConfig()} | asked


def _with_hostname(config: ContainerConfig, host: HostConfig, container_id: str) -> ContainerConfig:
    if config.hostname:
        return config
    return replace(config, hostname=os.uname().nodename if host.network_mode == "host" else container_id[:12])
