"""A container as Docker shows it: inspect, an entry of the list, an exec. Key order and what is null, empty or absent
are those of Engine API v1.51.
"""

from __future__ import annotations

import time
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from estiba.api.wire_times import NANOSECONDS, human_duration, rfc3339
from estiba.engine.config import ContainerConfig, EndpointConfig, HostConfig, wire_name
from estiba.engine.state import (
    Created,
    Dead,
    Removing,
    Restarting,
    Running,
    ended_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import msgspec

    from estiba.engine.execs import ExecRecord
    from estiba.engine.state import Container, Health, MountPoint

# left out of a reply while they are empty
_OPTIONAL_CONFIG = frozenset(
    (
        "exposed_ports",
        "healthcheck",
        "args_escaped",
        "network_disabled",
        "mac_address",
        "stop_signal",
        "stop_timeout",
        "shell",
    )
)
_OPTIONAL_HOST = frozenset(
    ("annotations", "storage_opt", "tmpfs", "sysctls", "init", "mounts", "kernel_memory", "kernel_memory_tcp")
)
# of these, Go keeps the zero value that was sent
_POINTERS = frozenset({"init", "stop_timeout", "healthcheck"})


def _shower(struct: type[msgspec.Struct], optional: frozenset[str]) -> Callable[[Any], dict[str, Any]]:
    """A function from a struct to its reply: all fields in order, the optional ones only when set."""
    fields = struct.__struct_fields__
    names = tuple(wire_name(field) for field in fields)
    dropped = tuple((wire_name(field), field in _POINTERS) for field in fields if field in optional)
    values = attrgetter(*fields)

    def show(value: Any) -> dict[str, Any]:
        shown = dict(zip(names, values(value), strict=True))
        for name, pointer in dropped:
            if shown[name] is None or (not pointer and not shown[name]):
                del shown[name]
        return shown

    return show


_config = _shower(ContainerConfig, _OPTIONAL_CONFIG)
_host = _shower(HostConfig, _OPTIONAL_HOST)
_endpoint = _shower(EndpointConfig, frozenset())


def show_config(config: ContainerConfig) -> dict[str, Any]:
    """`Config` of inspect."""
    shown = _config(config)
    if shown["Labels"] is None:
        shown["Labels"] = {}
    elif len(shown["Labels"]) > 1:
        shown["Labels"] = dict(sorted(shown["Labels"].items()))
    return shown


def _show_host(host: HostConfig) -> dict[str, Any]:
    shown = _host(host)
    shown["LogConfig"] = {"Type": host.log_config.type, "Config": host.log_config.config or {}}
    return shown


def status_word(container: Container) -> str:
    """The state's name, as in `State` of the list."""
    match container.state:
        case Created():
            return "created"
        case Running(paused=paused):
            return "paused" if paused else "running"
        case Restarting():
            return "restarting"
        case Removing():
            return "removing"
        case Dead():
            return "dead"
        case _:
            return "exited"


def status_text(container: Container, now: int | None = None) -> str:
    """The state in words, as in `Status` of the list. now in ns since the epoch."""
    now = time.time_ns() if now is None else now

    def since(moment: int) -> str:
        return human_duration((now - moment) / NANOSECONDS)

    match container.state:
        case Created():
            return "Created"
        case Running(started_at=started, paused=paused):
            remark = " (Paused)" if paused else _health_remark(container.health)
            return f"Up {since(started)}{remark}"
        case Restarting(ended=ended):
            return f"Restarting ({ended.exit_code}) {since(ended.finished_at)} ago"
        case Removing():
            return "Removal In Progress"
        case Dead():
            return "Dead"
        case _:
            ended = ended_of(container.state)
            return f"Exited ({ended.exit_code}) {since(ended.finished_at)} ago"


def _health_remark(health: Health | None) -> str:
    if health is None or not health.status or health.status == "none":
        return ""
    return " (health: starting)" if health.status == "starting" else f" ({health.status})"


def _show_state(container: Container) -> dict[str, Any]:
    state = container.state
    ended = ended_of(state)
    running = isinstance(state, Running)
    restarting = isinstance(state, Restarting)
    shown: dict[str, Any] = {
        "Status": status_word(container),
        "Running": running or restarting,
        "Paused": isinstance(state, Running) and state.paused,
        "Restarting": restarting,
        "OOMKilled": ended.oom_killed,
        "Dead": isinstance(state, Dead),
        "Pid": state.pid if isinstance(state, Running) else 0,
        "ExitCode": ended.exit_code,
        "Error": ended.error,
        "StartedAt": rfc3339(ended.started_at),
        "FinishedAt": rfc3339(ended.finished_at),
    }
    if container.health is not None:
        shown["Health"] = {
            "Status": container.health.status,
            "FailingStreak": container.health.failing_streak,
            "Log": [
                {
                    "Start": rfc3339(probe.start),
                    "End": rfc3339(probe.end),
                    "ExitCode": probe.exit_code,
                    "Output": probe.output,
                }
                for probe in container.health.log
            ],
        }
    return shown


def show_mount(mount: MountPoint) -> dict[str, Any]:
    """A mount point of inspect and list."""
    shown: dict[str, Any] = {"Type": mount.type}
    if mount.name:
        shown["Name"] = mount.name
    shown["Source"] = mount.source
    shown["Destination"] = mount.destination
    if mount.driver:
        shown["Driver"] = mount.driver
    return shown | {"Mode": mount.mode, "RW": mount.rw, "Propagation": mount.propagation}


def _show_network_settings(container: Container) -> dict[str, Any]:
    bridge = container.endpoints.get("bridge")
    default = bridge if bridge is not None else EndpointConfig()
    return {
        "Bridge": "",
        "SandboxID": "",
        "SandboxKey": "",
        "Ports": _show_ports(container),
        "HairpinMode": False,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "SecondaryIPAddresses": None,
        "SecondaryIPv6Addresses": None,
        "EndpointID": default.endpoint_id,
        "Gateway": default.gateway,
        "GlobalIPv6Address": default.global_ipv6_address,
        "GlobalIPv6PrefixLen": default.global_ipv6_prefix_len,
        "IPAddress": default.ip_address,
        "IPPrefixLen": default.ip_prefix_len,
        "IPv6Gateway": default.ipv6_gateway,
        "MacAddress": default.mac_address,
        "Networks": {name: _endpoint(endpoint) for name, endpoint in sorted(container.endpoints.items())},
    }


def _show_ports(container: Container) -> dict[str, None]:
    """Ports of a running container by their container side; nothing is published before networks come."""
    if not isinstance(container.state, Running):
        return {}
    return dict.fromkeys(sorted(_with_protocol(port) for port in container.config.exposed_ports or ()))


def _with_protocol(port: str) -> str:
    return port if "/" in port else f"{port}/tcp"


def show_container(
    container: Container,
    *,
    storage: dict[str, str],
    exec_ids: list[str],
    sizes: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """GET /containers/ID/json.

    Args:
        storage: directories of the root file system by Docker's names (LowerDir, UpperDir, …).
        exec_ids: of execs that have not ended.
        sizes: bytes of the writable layer and of the whole root file system, if asked for.
    """
    files = container.directory if container.ever_started else ""
    shown: dict[str, Any] = {
        "Id": container.id,
        "Created": rfc3339(container.created),
        "Path": container.path,
        "Args": container.args,
        "State": _show_state(container),
        "Image": container.image,
        "ResolvConfPath": files and f"{files}/resolv.conf",
        "HostnamePath": files and f"{files}/hostname",
        "HostsPath": files and f"{files}/hosts",
        "LogPath": container.log_path,
        "Name": f"/{container.name}",
        "RestartCount": container.restart_count,
        "Driver": "overlay2",
        "Platform": container.platform,
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": exec_ids or None,
        "HostConfig": _show_host(container.host),
        "GraphDriver": {"Data": {"ID": container.id, **storage}, "Name": "overlay2"},
    }
    if sizes is not None:
        shown["SizeRw"] = sizes[0]
        shown["SizeRootFs"] = sizes[1]
    shown["Mounts"] = [show_mount(mount) for mount in container.mounts]
    shown["Config"] = show_config(container.config)
    shown["NetworkSettings"] = _show_network_settings(container)
    return shown


def _show_list_endpoint(endpoint: EndpointConfig) -> dict[str, Any]:
    return _endpoint(endpoint) | {"IPAMConfig": None, "Links": None, "Aliases": None, "DNSNames": None}


def _list_ports(container: Container) -> list[dict[str, Any]]:
    ports = []
    for port in _show_ports(container):
        number, _, protocol = port.partition("/")
        if number.isdigit():
            ports.append({"PrivatePort": int(number), "Type": protocol})
    return sorted(ports, key=lambda entry: entry["PrivatePort"])


def show_entry(container: Container, now: int, image: str, sizes: tuple[int, int] | None = None) -> dict[str, Any]:
    """An entry of GET /containers/json.

    Args:
        now: ns since the epoch.
        image: what to show as the image: the name asked for at create, or the id once the name means another image.
        sizes: as in `show_container`.
    """
    mode = container.host.network_mode
    shown: dict[str, Any] = {
        "Id": container.id,
        "Names": [f"/{container.name}"],
        "Image": image,
        "ImageID": container.image,
        "Command": " ".join((container.path, *(f"'{word}'" if " " in word else word for word in container.args))),
        "Created": container.created // NANOSECONDS,
        "Ports": _list_ports(container),
    }
    if sizes is not None:
        if sizes[0]:
            shown["SizeRw"] = sizes[0]
        shown["SizeRootFs"] = sizes[1]
    networks = {name: _show_list_endpoint(endpoint) for name, endpoint in sorted(container.endpoints.items())}
    host: dict[str, Any] = {"NetworkMode": mode}
    if container.host.annotations:
        host["Annotations"] = container.host.annotations
    return shown | {
        "Labels": container.config.labels or {},
        "State": status_word(container),
        "Status": status_text(container, now),
        "HostConfig": host,
        "NetworkSettings": {"Networks": networks},
        "Mounts": [show_mount(mount) for mount in container.mounts],
    }


def show_exec(record: ExecRecord) -> dict[str, Any]:
    """GET /exec/ID/json."""
    config = record.config
    command = config.cmd or [""]
    process: dict[str, Any] = {
        "tty": config.tty,
        "entrypoint": command[0],
        "arguments": command[1:],
        "privileged": config.privileged,
    }
    if config.user:
        process["user"] = config.user
    return {
        "ID": record.id,
        "Running": record.running,
        "ExitCode": record.exit_code,
        "ProcessConfig": process,
        "OpenStdin": config.attach_stdin,
        "OpenStderr": config.attach_stderr,
        "OpenStdout": config.attach_stdout,
        "CanRemove": False,
        "ContainerID": record.container_id,
        "DetachKeys": config.detach_keys,
        "Pid": record.pid,
    }
