"""Published and exposed ports: -p ``[IP:][HOST[-HOST]:]PORT[-PORT][/PROTO]``, the ``published=…,target=…`` form, and
--expose.
"""

from __future__ import annotations

from estiba.cli.option_values import normal_ip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PROTOCOLS = ("tcp", "udp", "sctp")


def publish(specs: list[str]) -> tuple[dict[str, Any], dict[str, list[dict[str, str]]]]:
    """Exposed ports and port bindings (``80/tcp`` → [{"HostIp", "HostPort"}]) of all -p values.

    Raises:
        ValueError: a value is not a port specification; Docker's wording.
    """
    exposed: dict[str, Any] = {}
    bindings: dict[str, list[dict[str, str]]] = {}
    for spec in specs:
        for port, address, host_port in _one(_plain_form(spec)):
            exposed[port] = {}
            bindings.setdefault(port, []).append({"HostIp": address, "HostPort": host_port})
    return exposed, bindings


def expose(specs: list[str]) -> dict[str, Any]:
    """Ports of all --expose values."""
    found: dict[str, Any] = {}
    for spec in specs:
        if ":" in spec:
            raise ValueError(f"invalid port format for --expose: {spec}")
        port, protocol = split_protocol(spec)
        try:
            first, last = _range(port)
        except ValueError as error:
            raise ValueError(f"invalid range format for --expose: {spec}, error: {error}") from None
        for number in range(first, last + 1):
            found[f"{number}/{protocol}"] = {}
    return found


def _plain_form(spec: str) -> str:
    if "=" not in spec:
        return spec
    parts = {"protocol": "tcp", "published": "", "target": ""}
    for part in spec.split(","):
        key, equals, value = part.partition("=")
        if not equals or not key:
            raise ValueError(f"invalid publish opts format (should be name=value but got '{part}')")
        parts[key] = value
    return f"{parts['published']}:{parts['target']}/{parts['protocol']}"


def split_protocol(text: str) -> tuple[str, str]:
    """``80/udp`` → ("80", "udp"); tcp when none is given."""
    port, _, rest = text.partition("/")
    return port, (rest.partition("/")[0] or "tcp") if port else ""


def _number(text: str) -> int:
    if not text.isdigit() or not text.isascii():
        raise ValueError(f'strconv.ParseUint: parsing "{text}": invalid syntax')
    if int(text) > 65535:
        raise ValueError(f'strconv.ParseUint: parsing "{text}": value out of range')
    return int(text)


def _range(text: str) -> tuple[int, int]:
    if not text:
        raise ValueError("empty string specified for ports")
    if "-" not in text:
        return _number(text), _number(text)
    first, last = (_number(part) for part in text.split("-")[:2])
    if last < first:
        raise ValueError(f"invalid range specified for port: {text}")
    return first, last


def _address(text: str) -> str:
    if text.startswith("["):
        if not text.endswith("]"):
            raise ValueError(f"invalid IP address {text}: address {text}:: missing ']' in address")
        text = text[1:-1]
    if text:
        try:
            normal_ip(text)
        except ValueError:
            raise ValueError(f"invalid IP address: {text}") from None
    return text


def _one(spec: str) -> list[tuple[str, str, str]]:
    """(container port with protocol, host address, host port) for each port of a specification."""
    *front, target = spec.split(":")
    host = front.pop() if front else ""
    target, protocol = split_protocol(target)
    address = _address(":".join(front))
    if not target:
        raise ValueError(f"no port specified: {spec}<empty>")
    try:
        first, last = _range(target)
    except ValueError:
        raise ValueError(f"invalid containerPort: {target}") from None
    host_first = host_last = 0
    if host:
        try:
            host_first, host_last = _range(host)
        except ValueError:
            raise ValueError(f"invalid hostPort: {host}") from None
        if last - first != host_last - host_first and first != last:
            raise ValueError(f"invalid ranges specified for container and host Ports: {target} and {host}")
    if protocol.lower() not in _PROTOCOLS:
        raise ValueError(f"invalid proto: {protocol}")
    found = []
    for offset in range(last - first + 1):
        host_port = str(host_first + offset) if host else ""
        if host and first == last and host_first != host_last:
            host_port = f"{host_first}-{host_last}"  # any free port of the range
        found.append((f"{first + offset}/{protocol.lower()}", address, host_port))
    return found
