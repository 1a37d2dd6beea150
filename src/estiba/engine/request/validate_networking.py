"""What a create request may not say about its networks and the names it has in them, in Docker's words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from estiba.engine.request.publishing import check_port_bindings
from estiba.engine.spec.etcfiles import split_host
from estiba.errors import InvalidArgument, Unsupported

if TYPE_CHECKING:
    from estiba.engine.config import ContainerConfig, EndpointConfig, HostConfig, NetworkingConfig

FIXED: Final = ("", "default", "bridge", "host", "none")
_MAC: Final = re.compile(r"[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}|[0-9a-fA-F]{2}(?:-[0-9a-fA-F]{2}){5}")


def check_networking(config: ContainerConfig, host: HostConfig, networking: NetworkingConfig) -> list[str]:
    """Raises InvalidArgument, or Unsupported for what needs networks; returns warnings."""
    for entry in host.extra_hosts or ():
        split_host(entry)
    check_port_bindings(host.port_bindings)
    for name, endpoint in (networking.endpoints_config or {}).items():
        _check_endpoint(name, endpoint)
    _check_later(config, host, networking)
    if host.network_mode == "host" and host.port_bindings:
        return ["Published ports are discarded when using host network mode"]
    return []


def check_network_mode(config: ContainerConfig, host: HostConfig) -> None:
    """Raises InvalidArgument for options that another's network or host name leaves no room for."""
    word, _, reference = host.network_mode.partition(":")
    shared = word == "container"
    if shared and not reference:
        raise InvalidArgument("invalid network mode: invalid container format container:<name|id>")
    conflicts = (
        (shared and config.hostname, "hostname and the network mode"),
        (shared and host.dns, "dns and the network mode"),
        (shared and host.extra_hosts, "custom host-to-IP mapping and the network mode"),
        (
            shared and (host.port_bindings or host.publish_all_ports),
            "port publishing and the container type network mode",
        ),
        (shared and config.exposed_ports, "port exposing and the container type network mode"),
        (host.uts_mode == "host" and config.hostname, "hostname and the UTS mode"),
    )
    if shared and host.links:
        raise InvalidArgument(
            "conflicting options: container type network can't be used with links. "
            "This would result in undefined behavior"
        )
    for found, words in conflicts:
        if found:
            raise InvalidArgument(f"conflicting options: {words}")


def _check_endpoint(name: str, endpoint: EndpointConfig | None) -> None:
    problem = ""
    if endpoint is None:
        problem = "EndpointsConfig is nil"
    elif endpoint.mac_address and not _MAC.fullmatch(endpoint.mac_address):
        problem = f"invalid MAC address {endpoint.mac_address}"
    elif name in FIXED and endpoint.aliases:
        problem = (
            "invalid endpoint settings:\nnetwork-scoped alias is supported only for containers in user defined networks"
        )
    elif (
        name in FIXED
        and endpoint.ipam_config
        and (
            endpoint.ipam_config.ipv4_address
            or endpoint.ipam_config.ipv6_address
            or endpoint.ipam_config.link_local_ips
        )
    ):
        problem = "invalid endpoint settings:\nuser specified IP address is supported on user defined networks only"
    if problem:
        raise InvalidArgument(f"invalid config for network {name}: {problem}")


def _check_later(config: ContainerConfig, host: HostConfig, networking: NetworkingConfig) -> None:
    """What waits for networks is refused, never ignored."""
    endpoints = networking.endpoints_config or {}
    for name in (host.network_mode, *endpoints):
        if name not in FIXED and name.partition(":")[0] != "container":
            raise Unsupported(
                f"cannot use network {name}: user-defined networks are not supported yet; use --network none or host"
            )
    if host.links:
        raise Unsupported("cannot link containers: networks between containers are not supported yet")
    if config.mac_address or any(endpoint and endpoint.mac_address for endpoint in endpoints.values()):
        raise Unsupported("cannot give a MAC address: interfaces of containers are not supported yet")
