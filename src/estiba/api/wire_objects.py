"""Volumes, networks and events as Docker shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from estiba.api.wire_times import NANOSECONDS, rfc3339

if TYPE_CHECKING:
    from estiba.engine.events import Event
    from estiba.engine.networks import Network
    from estiba.volumes.volume import Volume


def show_volume(volume: Volume) -> dict[str, Any]:
    """A volume; its keys are sorted, as Docker's are."""
    return {
        "CreatedAt": volume.created,
        "Driver": volume.driver,
        "Labels": volume.labels,
        "Mountpoint": str(volume.mountpoint),
        "Name": volume.name,
        "Options": volume.options or None,
        "Scope": "local",
    }


def show_network(network: Network) -> dict[str, Any]:
    """A network; the fixed three have no addresses of ours."""
    return {
        "Name": network.name,
        "Id": network.id,
        "Created": rfc3339(network.created),
        "Scope": "local",
        "Driver": network.driver,
        "EnableIPv4": True,
        "EnableIPv6": False,
        "IPAM": {"Driver": "default", "Options": None, "Config": None},
        "Internal": False,
        "Attachable": False,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {},
        "Options": {},
        "Labels": {},
    }


def show_event(event: Event) -> dict[str, Any]:
    """A line of GET /events; containers and images keep the three old keys."""
    shown: dict[str, Any] = {}
    if event.type in ("container", "image"):
        shown["status"] = event.action
        if event.id:
            shown["id"] = event.id
        if event.type == "container" and (image := event.attributes.get("image")):
            shown["from"] = image
    return shown | {
        "Type": event.type,
        "Action": event.action,
        "Actor": {"ID": event.id, "Attributes": dict(sorted(event.attributes.items()))},
        "scope": "local",
        "time": event.time // NANOSECONDS,
        "timeNano": event.time,
    }
