"""Device nodes and device rules of a container."""

from __future__ import annotations

from typing import TYPE_CHECKING

from estiba.errors import InvalidArgument, SystemFailure
from estiba.runtime import devices

if TYPE_CHECKING:
    from collections.abc import Iterable

    from estiba.engine.config import DeviceRequest, HostConfig
    from estiba.oci.runtime_spec import Device, DeviceCgroup

_PTMX = "/dev/ptmx"  # the container's own, a link into its own devpts


def build_devices(host: HostConfig) -> tuple[list[Device], list[DeviceCgroup]]:
    """Nodes besides the standard ones, and the whole list of rules, in the order in which they count.

    Raises SystemFailure for a device that is absent or for a driver (--gpus), InvalidArgument for a bad rule.
    """
    _refuse_requests(host.device_requests or ())
    nodes = [node for node in devices.host_devices() if node.path != _PTMX] if host.privileged else []
    rules = [devices.ALLOW_ALL] if host.privileged else list(devices.DEFAULT_RULES)
    for mapping in host.devices or ():
        target = mapping.path_in_container or mapping.path_on_host
        access = mapping.cgroup_permissions or "rwm"
        if not devices.is_access(access):
            raise InvalidArgument(f"invalid device mode: {access}")
        resolved = devices.resolve(mapping.path_on_host, target, access)
        found = [(node, rule) for node, rule in resolved if node.path != _PTMX]
        if host.privileged:
            present = {node.path for node in nodes}
            nodes += [node for node, _ in found if node.path not in present]
            continue
        nodes += [node for node, _ in found]
        rules += [rule for _, rule in found]
    if not host.privileged:
        rules += [devices.parse_rule(text) for text in host.device_cgroup_rules or ()]
    return nodes, rules


def _refuse_requests(requests: Iterable[DeviceRequest]) -> None:
    """No device driver is there: Docker's sentences for an engine without one."""
    for request in requests:
        if request.driver == "cdi":
            names = ", ".join(request.device_ids or ())
            raise SystemFailure(f"CDI device injection failed: unresolvable CDI devices {names}")
        wanted = " ".join(f"[{' '.join(names)}]" for names in request.capabilities or ())
        raise SystemFailure(f'could not select device driver "{request.driver}" with capabilities: [{wanted}]')
