"""What was asked for: a container's configuration in Docker's terms (Engine API v1.51, Config and HostConfig).

The structs are decoded from requests (api/wire.py), stored as JSON, and shown again by inspect. Hence None and an empty
list differ: what was sent is kept. Times are nanoseconds, sizes bytes, unless a docstring says otherwise.
"""

from __future__ import annotations

from typing import Any

import msgspec

_NAMES = {
    "blkio_device_read_iops": "BlkioDeviceReadIOps",
    "blkio_device_write_iops": "BlkioDeviceWriteIOps",
    "container_id_file": "ContainerIDFile",
    "device_ids": "DeviceIDs",
    "dns_names": "DNSNames",
    "endpoint_id": "EndpointID",
    "global_ipv6_address": "GlobalIPv6Address",
    "global_ipv6_prefix_len": "GlobalIPv6PrefixLen",
    "io_maximum_bandwidth": "IOMaximumBandwidth",
    "io_maximum_iops": "IOMaximumIOps",
    "ip_address": "IPAddress",
    "ip_prefix_len": "IPPrefixLen",
    "ipam_config": "IPAMConfig",
    "ipv4_address": "IPv4Address",
    "ipv6_address": "IPv6Address",
    "ipv6_gateway": "IPv6Gateway",
    "kernel_memory_tcp": "KernelMemoryTCP",
    "link_local_ips": "LinkLocalIPs",
    "network_id": "NetworkID",
    "uts_mode": "UTSMode",
}


def wire_name(field: str) -> str:
    """The API's name of a field: its words capitalised, Docker's own spellings where they differ."""
    return _NAMES.get(field) or "".join(word.capitalize() for word in field.split("_"))


class _Config(msgspec.Struct, frozen=True, kw_only=True, rename=wire_name):
    """Base: immutable, written in full."""


class HealthCheck(_Config, frozen=True, kw_only=True, omit_defaults=True):
    """How to see whether the program is well.

    test is None or [] (the image's), ["NONE"], ["CMD", …] or ["CMD-SHELL", …].
    """

    test: list[str] | None = None
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


class ContainerConfig(_Config, frozen=True, kw_only=True):
    """What belongs to the program, and could come from an image: Docker's `Config`."""

    hostname: str = ""
    domainname: str = ""
    user: str = ""
    attach_stdin: bool = False
    attach_stdout: bool = False
    attach_stderr: bool = False
    exposed_ports: dict[str, Any] | None = None
    tty: bool = False
    open_stdin: bool = False
    stdin_once: bool = False
    env: list[str] | None = None
    cmd: list[str] | None = None
    healthcheck: HealthCheck | None = None
    args_escaped: bool | None = None
    image: str = ""
    volumes: dict[str, Any] | None = None
    working_dir: str = ""
    entrypoint: list[str] | None = None
    network_disabled: bool | None = None
    mac_address: str = ""
    on_build: list[str] | None = None
    labels: dict[str, str] | None = None
    stop_signal: str = ""
    stop_timeout: int | None = None
    shell: list[str] | None = None

    @property
    def has_health_check(self) -> bool:
        """Whether a health check is made at all."""
        check = self.healthcheck
        return check is not None and bool(check.test) and (check.test or [""])[0] != "NONE"


class LogConfig(_Config, frozen=True, kw_only=True):
    """The log driver's name and options."""

    type: str = ""
    config: dict[str, str] | None = None


class RestartPolicy(_Config, frozen=True, kw_only=True):
    """no, always, on-failure (at most maximum_retry_count times, 0: for ever) or unless-stopped."""

    name: str = ""
    maximum_retry_count: int = 0


class PortBinding(_Config, frozen=True, kw_only=True):
    """Where a container's port is published; strings as in the API."""

    host_ip: str = ""
    host_port: str = ""


class WeightDevice(_Config, frozen=True, kw_only=True):
    """Block IO weight of a device path."""

    path: str = ""
    weight: int = 0


class ThrottleDevice(_Config, frozen=True, kw_only=True):
    """Bytes or operations per second of a device path."""

    path: str = ""
    rate: int = 0


class DeviceMapping(_Config, frozen=True, kw_only=True):
    """A device of the host inside the container; cgroup_permissions is a subset of rwm."""

    path_on_host: str = ""
    path_in_container: str = ""
    cgroup_permissions: str = ""


class DeviceRequest(_Config, frozen=True, kw_only=True):
    """A request to a device driver (--gpus)."""

    driver: str = ""
    count: int = 0
    device_ids: list[str] | None = None
    capabilities: list[list[str]] | None = None
    options: dict[str, str] | None = None


class Ulimit(_Config, frozen=True, kw_only=True):
    """A resource limit; name as in ulimit(1) without RLIMIT_ (nofile)."""

    name: str = ""
    hard: int = 0
    soft: int = 0


class BindOptions(_Config, frozen=True, kw_only=True, omit_defaults=True):
    """Options of a bind mount."""

    propagation: str = ""
    non_recursive: bool = False
    create_mountpoint: bool = False
    read_only_non_recursive: bool = False
    read_only_force_recursive: bool = False


class VolumeDriverConfig(_Config, frozen=True, kw_only=True, omit_defaults=True):
    """Driver of a volume made by a mount."""

    name: str = ""
    options: dict[str, str] | None = None


class VolumeOptions(_Config, frozen=True, kw_only=True, omit_defaults=True):
    """Options of a volume mount."""

    no_copy: bool = False
    labels: dict[str, str] | None = None
    driver_config: VolumeDriverConfig | None = None
    subpath: str = ""


class ImageOptions(_Config, frozen=True, kw_only=True, omit_defaults=True):
    """Options of an image mount."""

    subpath: str = ""


class TmpfsOptions(_Config, frozen=True, kw_only=True, omit_defaults=True):
    """Size in bytes and mode of a tmpfs mount; options are pairs or single words."""

    size_bytes: int = 0
    mode: int = 0
    options: list[list[str]] | None = None


class MountRequest(_Config, frozen=True, kw_only=True, omit_defaults=True):
    """An element of HostConfig.Mounts (--mount)."""

    type: str = ""
    source: str = ""
    target: str = ""
    read_only: bool = False
    consistency: str = ""
    bind_options: BindOptions | None = None
    volume_options: VolumeOptions | None = None
    image_options: ImageOptions | None = None
    tmpfs_options: TmpfsOptions | None = None


class HostConfig(_Config, frozen=True, kw_only=True):
    """What belongs to this machine: Docker's `HostConfig`, fields in the order in which inspect shows them."""

    binds: list[str] | None = None
    container_id_file: str = ""
    log_config: LogConfig = LogConfig()
    network_mode: str = ""
    port_bindings: dict[str, list[PortBinding] | None] | None = None
    restart_policy: RestartPolicy = RestartPolicy()
    auto_remove: bool = False
    volume_driver: str = ""
    volumes_from: list[str] | None = None
    console_size: tuple[int, int] = (0, 0)
    annotations: dict[str, str] | None = None
    cap_add: list[str] | None = None
    cap_drop: list[str] | None = None
    cgroupns_mode: str = ""
    dns: list[str] | None = None
    dns_options: list[str] | None = None
    dns_search: list[str] | None = None
    extra_hosts: list[str] | None = None
    group_add: list[str] | None = None
    ipc_mode: str = ""
    cgroup: str = ""
    links: list[str] | None = None
    oom_score_adj: int = 0
    pid_mode: str = ""
    privileged: bool = False
    publish_all_ports: bool = False
    readonly_rootfs: bool = False
    security_opt: list[str] | None = None
    storage_opt: dict[str, str] | None = None
    tmpfs: dict[str, str] | None = None
    uts_mode: str = ""
    userns_mode: str = ""
    shm_size: int = 0
    sysctls: dict[str, str] | None = None
    runtime: str = ""
    isolation: str = ""
    cpu_shares: int = 0
    memory: int = 0
    nano_cpus: int = 0
    cgroup_parent: str = ""
    blkio_weight: int = 0
    blkio_weight_device: list[WeightDevice] | None = None
    blkio_device_read_bps: list[ThrottleDevice] | None = None
    blkio_device_write_bps: list[ThrottleDevice] | None = None
    blkio_device_read_iops: list[ThrottleDevice] | None = None
    blkio_device_write_iops: list[ThrottleDevice] | None = None
    cpu_period: int = 0
    cpu_quota: int = 0
    cpu_realtime_period: int = 0
    cpu_realtime_runtime: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    devices: list[DeviceMapping] | None = None
    device_cgroup_rules: list[str] | None = None
    device_requests: list[DeviceRequest] | None = None
    kernel_memory: int = 0
    kernel_memory_tcp: int = 0
    memory_reservation: int = 0
    memory_swap: int = 0
    memory_swappiness: int | None = None
    oom_kill_disable: bool | None = None
    init: bool | None = None
    pids_limit: int | None = None
    ulimits: list[Ulimit] | None = None
    cpu_count: int = 0
    cpu_percent: int = 0
    io_maximum_iops: int = 0
    io_maximum_bandwidth: int = 0
    mounts: list[MountRequest] | None = None
    masked_paths: list[str] | None = None
    readonly_paths: list[str] | None = None


class EndpointIPAM(_Config, frozen=True, kw_only=True, omit_defaults=True):
    """Addresses asked for on a network."""

    ipv4_address: str = ""
    ipv6_address: str = ""
    link_local_ips: list[str] | None = None


class EndpointConfig(_Config, frozen=True, kw_only=True):
    """A container's attachment to a network: what was asked for, and what it has while it runs."""

    ipam_config: EndpointIPAM | None = None
    links: list[str] | None = None
    aliases: list[str] | None = None
    mac_address: str = ""
    driver_opts: dict[str, str] | None = None
    gw_priority: int = 0
    network_id: str = ""
    endpoint_id: str = ""
    gateway: str = ""
    ip_address: str = ""
    ip_prefix_len: int = 0
    ipv6_gateway: str = ""
    global_ipv6_address: str = ""
    global_ipv6_prefix_len: int = 0
    dns_names: list[str] | None = None


class NetworkingConfig(_Config, frozen=True, kw_only=True):
    """The create request's networks, by name."""

    endpoints_config: dict[str, EndpointConfig | None] | None = None


class ResourceUpdate(_Config, frozen=True, kw_only=True):
    """The body of an update: zero or null means unchanged."""

    cpu_shares: int = 0
    memory: int = 0
    nano_cpus: int = 0
    blkio_weight: int = 0
    cpu_period: int = 0
    cpu_quota: int = 0
    cpu_realtime_period: int = 0
    cpu_realtime_runtime: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    memory_reservation: int = 0
    memory_swap: int = 0
    pids_limit: int | None = None
    restart_policy: RestartPolicy = RestartPolicy()


class ExecConfig(_Config, frozen=True, kw_only=True):
    """An additional process: the body of POST /containers/ID/exec."""

    user: str = ""
    privileged: bool = False
    tty: bool = False
    console_size: tuple[int, int] | None = None
    attach_stdin: bool = False
    attach_stderr: bool = False
    attach_stdout: bool = False
    detach: bool = False
    detach_keys: str = ""
    env: list[str] | None = None
    working_dir: str = ""
    cmd: list[str] | None = None
