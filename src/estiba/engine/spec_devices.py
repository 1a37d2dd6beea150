"""Device nodes and device rules of a container."""

from __future__ import annotations

from typing import TYPE_CHECKING

from estiba.errors import InvalidArgument
from estiba.runtime import devices

if TYPE_CHECKING:
    from estiba.engine.config import HostConfig
    from estiba.oci.runtime_spec import Device, DeviceCgroup


def build_devices(host: HostConfig) -> tuple[list[Device], list[DeviceCgroup]]:
    """Nodes besides the standard ones, and all rules. Raises SystemFailure for a device that is absent."""
    if host.privileged:
        return devices.host_devices(), [devices.ALLOW_ALL]
    nodes: list[Device] = []
    rules = list(devices.DEFAULT_RULES)
    for mapping in host.devices or []:
        target = mapping.path_in_container or mapping.path_on_host
        for node, rule in devices.resolve(mapping.path_on_host, target, mapping.cgroup_permissions or "rwm"):
            nodes.append(node)
            rules.append(rule)
    rules += [devices.parse_rule(text) for text in host.device_cgroup_rules or []]
    return nodes, rules


def check_devices(host: HostConfig) -> None:
    """Raises InvalidArgument for a rule or permission that is none."""
    for mapping in host.devices or []:
        if mapping.cgroup_permissions and not devices.is_access(mapping.cgroup_permissions):
            raise InvalidArgument(f"invalid device mode: {mapping.cgroup_permissions}")
    for text in host.device_cgroup_rules or []:
        devices.parse_rule(text)
