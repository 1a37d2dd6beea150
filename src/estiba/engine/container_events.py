"""The events of a container, with the attributes that Docker gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from estiba.engine.events import Event

if TYPE_CHECKING:
    from estiba.engine.state import Container, MountPoint


def container_event(
    container: Container, action: str, attributes: dict[str, str] | None = None, *, time: int = 0
) -> Event:
    """An event of this container: image, name and all labels, and what the action adds."""
    base = {"image": container.config.image, "name": container.name, **(container.config.labels or {})}
    return Event(type="container", action=action, id=container.id, attributes=base | (attributes or {}), time=time)


def network_events(container: Container, action: str) -> list[Event]:
    """connect or disconnect, for each network of the container."""
    return [
        Event(
            type="network",
            action=action,
            id=endpoint.network_id,
            attributes={"container": container.id, "name": name, "type": "null" if name == "none" else name},
        )
        for name, endpoint in container.endpoints.items()
    ]


def volume_events(container: Container, action: str) -> list[Event]:
    """mount or unmount, for each volume of the container."""
    return [_volume_event(container, mount, action) for mount in container.mounts if mount.type == "volume"]


def _volume_event(container: Container, mount: MountPoint, action: str) -> Event:
    attributes = {"container": container.id, "driver": mount.driver or "local"}
    if action == "mount":
        attributes |= {
            "destination": mount.destination,
            "propagation": mount.propagation,
            "read/write": "true" if mount.rw else "false",
        }
    return Event(type="volume", action=action, id=mount.name, attributes=attributes)
