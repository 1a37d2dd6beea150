"""Port specifications: what they may look like. Publishing itself waits for networks and is refused until then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from estiba.errors import InvalidArgument, Unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping

    from estiba.engine.config import HostConfig

_PROTOCOLS: Final = ("tcp", "udp", "sctp")


def check_ports(exposed: Mapping[str, object] | None, host: HostConfig) -> None:
    """Raises InvalidArgument for what is no port, Unsupported for a port to publish."""
    for port in exposed or {}:
        parse_port(port)
    published = False
    for port, bindings in (host.port_bindings or {}).items():
        parse_port(port)
        for binding in bindings or []:
            _check_host_port(binding.host_port)
        published = True
    if host.network_mode in ("host", "none") or host.network_mode.startswith("container:"):
        return
    if published or (host.publish_all_ports and exposed):
        raise Unsupported(
            "cannot publish ports: networks are not supported yet; use --network host, where the program's ports are "
            "this machine's"
        )


def parse_port(text: str) -> tuple[int, int, str]:
    """`80`, `80/tcp`, `80-90/udp` as (first, last, protocol). Raises InvalidArgument."""
    ports, slash, protocol = text.partition("/")
    first, dash, last = ports.partition("-")
    valid = first.isdecimal() and (last.isdecimal() or not dash)
    if not valid or not 0 <= int(first) <= int(last or first) <= 65535:
        raise InvalidArgument(f'invalid port specification: "{text}"')
    if slash and protocol.lower() not in _PROTOCOLS:
        raise InvalidArgument(f'invalid port specification: "{text}"')
    return int(first), int(last or first), protocol.lower() or "tcp"


def _check_host_port(text: str) -> None:
    if not text:
        return
    first, dash, last = text.partition("-")
    if not (first.isdecimal() and (last.isdecimal() or not dash)) or int(last or first) > 65535:
        raise InvalidArgument(f'invalid port specification: "{text}"')
