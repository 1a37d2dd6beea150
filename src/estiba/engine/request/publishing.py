"""Port bindings: what they may look like. Publishing itself waits for networks and is refused until then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from estiba.errors import InvalidArgument, Unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping

    from estiba.engine.config import HostConfig, PortBinding

_HIGHEST: Final = 65535


def check_port_bindings(bindings: Mapping[str, list[PortBinding] | None] | None) -> None:
    """Raises InvalidArgument, in Docker's words, for what is no port. A protocol is not looked at."""
    for key, places in (bindings or {}).items():
        port = key.partition("/")[0]
        if _range(port) is None or "-" in port:
            raise InvalidArgument(f'invalid port specification: "{port}"')
        for place in places or ():
            if place.host_port and _range(place.host_port) is None:
                raise InvalidArgument(f'invalid port specification: "{place.host_port}"')


def check_publishing(exposed: Mapping[str, object] | None, host: HostConfig) -> None:
    """Raises Unsupported where a port would be published. On the host's network and without one, none is."""
    asked = any((host.port_bindings or {}).values()) or (host.publish_all_ports and exposed)
    if asked and host.network_mode not in ("host", "none"):
        raise Unsupported(
            "cannot publish ports: published ports are not supported yet; use --network host, where the program's "
            "ports are this machine's"
        )


def _range(text: str) -> tuple[int, int] | None:
    """First and last of `80` or `80-90`."""
    first, dash, last = text.partition("-")
    if not (text.isascii() and first.isdecimal() and (last.isdecimal() or not dash)):
        return None
    low, high = int(first), int(last or first)
    return (low, high) if low <= high <= _HIGHEST else None
