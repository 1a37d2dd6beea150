"""``estiba port``: list a container's published ports."""

from __future__ import annotations

from estiba.cli.flags import Command
from estiba.cli.ports import split_protocol
from estiba.cli.session import CommandError
from estiba.client.engine import path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command(
    "CONTAINER [PRIVATE_PORT[/PROTO]]",
    "List port mappings or a specific mapping for the container",
    least=1,
    most=2,
)


def _address(binding: dict[str, str]) -> str:
    ip = binding["HostIp"]
    return f"[{ip}]:{binding['HostPort']}" if ":" in ip else f"{ip}:{binding['HostPort']}"


def _order(port: str) -> tuple[int, str]:
    number, protocol = split_protocol(port)
    return int(number), protocol


def run(session: Session, _options: Options, arguments: list[str]) -> int:
    ports = session.client.get(path("containers", arguments[0], "json"))["NetworkSettings"]["Ports"] or {}
    if len(arguments) == 1:
        for port in sorted(ports, key=_order):
            for binding in ports[port] or []:
                session.print(f"{port} -> {_address(binding)}")
        return 0
    number, protocol = split_protocol(arguments[1])
    if not number.isdigit() or int(number) > 65535:
        raise CommandError(f"Error: invalid port ({number})")
    bindings = ports.get(f"{number}/{protocol}")
    if not bindings:
        raise CommandError(f"Error: No public port '{arguments[1]}' published for {arguments[0]}")
    for binding in bindings:
        session.print(_address(binding))
    return 0
