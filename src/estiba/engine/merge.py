"""A create request completed: the image's configuration merged in, defaults filled in, as inspect shows it."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from estiba.engine.config import ContainerConfig, EndpointConfig, HealthCheck, HostConfig, LogConfig
from estiba.engine.security import parse_security_options
from estiba.errors import InvalidArgument, NotFound

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
    """Merge and fill in. Raises InvalidArgument: no command; NotFound: a container whose network is to be shared."""
    host = complete_host(host, machine)
    host, endpoints = _networks(host, networking, find)
    merged = _with_hostname(merge_image(config, image), host, container_id)
    words = [*(merged.entrypoint or []), *(merged.cmd or [])]
    if not words or words == [""]:
        raise InvalidArgument("no command specified")
    return Completed(config=merged, host=host, endpoints=endpoints, path=words[0], args=words[1:])


def merge_image(config: ContainerConfig, image: Defaults) -> ContainerConfig:
    """What the image says where the request does not; lists and sets are united as Docker does."""
    entrypoint, cmd = config.entrypoint, config.cmd
    if not entrypoint:
        cmd = cmd or image.cmd
        if entrypoint is None:
            entrypoint = image.entrypoint
    elif entrypoint == [""]:
        entrypoint = []
        cmd = cmd or None
    return replace(
        config,
        user=config.user or image.user,
        exposed_ports=_united(image.exposed_ports, config.exposed_ports) or None,
        env=_merged_env(config.env, image.env),
        cmd=cmd,
        entrypoint=entrypoint,
        healthcheck=_merged_health(config.healthcheck, image),
        volumes=_united(image.volumes, config.volumes) or config.volumes,
        working_dir=config.working_dir or image.working_dir,
        labels={**(image.labels or {}), **(config.labels or {})},
        stop_signal=config.stop_signal or image.stop_signal,
        on_build=config.on_build if config.on_build is not None else image.on_build,
        shell=config.shell or image.shell,
    )


def _united(image: dict[str, object] | None, asked: dict[str, object] | None) -> dict[str, object]:
    return {**(image or {}), **(asked or {})}


def _merged_env(asked: list[str] | None, image: list[str] | None) -> list[str] | None:
    if not image:
        return asked
    names = {setting.partition("=")[0] for setting in asked or []}
    return [*(asked or []), *(setting for setting in image if setting.partition("=")[0] not in names)]


def _merged_health(asked: HealthCheck | None, image: Defaults) -> HealthCheck | None:
    own = image.healthcheck
    if own is None:
        return asked
    inherited = HealthCheck(
        test=own.test,
        interval=own.interval,
        timeout=own.timeout,
        start_period=own.start_period,
        start_interval=own.start_interval,
        retries=own.retries,
    )
    if asked is None:
        return inherited
    return HealthCheck(
        test=asked.test or inherited.test,
        interval=asked.interval or inherited.interval,
        timeout=asked.timeout or inherited.timeout,
        start_period=asked.start_period or inherited.start_period,
        start_interval=asked.start_interval or inherited.start_interval,
        retries=asked.retries or inherited.retries,
    )


def complete_host(host: HostConfig, machine: Host) -> HostConfig:
    """The engine's defaults for what the request leaves open."""
    options = parse_security_options(host.security_opt)
    unmasked = host.privileged or options.unmasked
    swap = host.memory_swap if host.memory_swap or host.memory <= 0 else host.memory * 2
    v1 = machine.cgroups.layout != "v2"
    return replace(
        host,
        log_config=LogConfig(type=host.log_config.type or "json-file", config=host.log_config.config or {}),
        restart_policy=replace(host.restart_policy, name=host.restart_policy.name or "no"),
        ipc_mode=host.ipc_mode or "private",
        cgroupns_mode=host.cgroupns_mode or ("host" if v1 or host.privileged else "private"),
        shm_size=host.shm_size or DEFAULT_SHM,
        runtime=host.runtime or "runc",
        memory_swap=swap,
        memory_swappiness=None if host.memory_swappiness == -1 else host.memory_swappiness,
        oom_kill_disable=bool(host.oom_kill_disable) if v1 else host.oom_kill_disable or None,
        pids_limit=host.pids_limit if host.pids_limit and host.pids_limit > 0 else None,
        security_opt=_with_label(host),
        masked_paths=_paths(host.masked_paths, MASKED_PATHS, unmasked),
        readonly_paths=_paths(host.readonly_paths, READONLY_PATHS, unmasked),
    )


def _with_label(host: HostConfig) -> list[str] | None:
    if host.privileged or host.pid_mode == "host" or host.ipc_mode == "host":
        return [*(host.security_opt or []), "label=disable"]
    return host.security_opt


def _paths(asked: list[str] | None, default: tuple[str, ...], unmasked: bool) -> list[str] | None:
    if asked is not None:
        return asked
    return None if unmasked else list(default)


def _networks(
    host: HostConfig, networking: NetworkingConfig, find: Callable[[str], Container | None]
) -> tuple[HostConfig, dict[str, EndpointConfig]]:
    mode = "bridge" if host.network_mode in ("", "default") else host.network_mode
    if mode.startswith("container:"):
        donor = find(mode.removeprefix("container:"))
        if donor is None:
            raise NotFound(f"No such container: {mode.removeprefix('container:')}")
        return replace(host, network_mode=f"container:{donor.id}"), {}
    asked = networking.endpoints_config or {}
    named = {("bridge" if name == "default" else name): endpoint for name, endpoint in asked.items()}
    endpoint = named.get(mode) or EndpointConfig()
    return replace(host, network_mode=mode), {mode: endpoint}


def _with_hostname(config: ContainerConfig, host: HostConfig, container_id: str) -> ContainerConfig:
    if config.hostname:
        return config
    if host.network_mode == "host" or host.uts_mode == "host":
        return replace(config, hostname=socket.gethostname())
    return replace(config, hostname=container_id[:12])
