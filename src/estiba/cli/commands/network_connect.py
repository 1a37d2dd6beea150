"""``estiba network connect``: give a container one more network."""

from __future__ import annotations

from estiba.cli.flags import INT, LIST, TEXT, Command, Flag, Kind
from estiba.cli.option_values import parse_link, parse_map
from estiba.client.engine import path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session

COMMAND = Command(
    "[OPTIONS] NETWORK CONTAINER",
    "Connect a container to a network",
    (
        Flag("alias", "", LIST, "Add network-scoped alias for the container"),
        Flag("driver-opt", "", LIST, "driver options for the network"),
        Flag("gw-priority", "", INT, "Highest gw-priority provides the default gateway"),
        Flag("ip", "", TEXT, 'IPv4 address (e.g., "172.30.100.104")'),
        Flag("ip6", "", TEXT, 'IPv6 address (e.g., "2001:db8::33")'),
        Flag("link", "", Kind("list", parse_link, many=True), "Add link to another container"),
        Flag("link-local-ip", "", LIST, "Add a link-local address for the container"),
    ),
    least=2,
    most=2,
)


def run(session: Session, options: Options, arguments: list[str]) -> int:
    network, container = arguments
    addresses: dict[str, object] = {}
    for name, key in (("ip", "IPv4Address"), ("ip6", "IPv6Address")):
        if options.text(name):
            addresses[key] = options.text(name)
    if options.many("link-local-ip"):
        addresses["LinkLocalIPs"] = options.many("link-local-ip")
    endpoint = {
        "IPAMConfig": addresses,
        "Links": options.many("link") or None,
        "Aliases": options.many("alias") or None,
        "DriverOpts": dict(parse_map(option) for option in options.many("driver-opt")) or None,
        "GwPriority": options.number("gw-priority"),
    }
    body = {"Container": container, "EndpointConfig": endpoint}
    session.client.post(path("networks", network, "connect"), None, body)
    return 0
