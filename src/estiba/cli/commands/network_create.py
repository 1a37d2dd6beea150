"""``estiba network create``: make a network."""

from __future__ import annotations

from estiba.cli.container_flags import MAP
from estiba.cli.flags import BOOL, TEXT, Command, Flag, Kind
from estiba.cli.network_pools import pools
from estiba.cli.option_values import parse_label, parse_map

TYPE_CHECKING = False
if TYPE_CHECKING:
    from estiba.cli.flags import Options
    from estiba.cli.session import Session

_WORDS = Kind("strings", lambda text: text.split(","), many=True)

COMMAND = Command(
    "[OPTIONS] NETWORK",
    "Create a network",
    (
        Flag("attachable", "", BOOL, "Enable manual container attachment"),
        Flag("aux-address", "", MAP, "Auxiliary IPv4 or IPv6 addresses used by Network driver"),
        Flag("config-from", "", TEXT, "The network from which to copy the configuration"),
        Flag("config-only", "", BOOL, "Create a configuration only network"),
        Flag("driver", "d", TEXT, "Driver to manage the Network", "bridge"),
        Flag("gateway", "", _WORDS, "IPv4 or IPv6 Gateway for the master subnet"),
        Flag("ingress", "", BOOL, "Create swarm routing-mesh network", hidden=True),
        Flag("internal", "", BOOL, "Restrict external access to the network"),
        Flag("ip-range", "", _WORDS, "Allocate container ip from a sub-range"),
        Flag("ipam-driver", "", TEXT, "IP Address Management Driver", "default"),
        Flag("ipam-opt", "", MAP, "Set IPAM driver specific options"),
        Flag("ipv4", "", BOOL, "Enable or disable IPv4 address assignment", True),
        Flag("ipv6", "", BOOL, "Enable or disable IPv6 address assignment"),
        Flag("label", "", Kind("list", parse_label, many=True), "Set metadata on a network"),
        Flag("opt", "o", MAP, "Set driver specific options"),
        Flag("scope", "", TEXT, "Control the network's scope"),
        Flag("subnet", "", _WORDS, "Subnet in CIDR format that represents a network segment"),
    ),
    least=1,
    most=1,
)


def _words(options: Options, name: str) -> list[str]:
    return [word for words in options.many(name) for word in words]


def run(session: Session, options: Options, arguments: list[str]) -> int:
    config_from = options.text("config-from")
    body: dict[str, object] = {
        "Name": arguments[0],
        "Driver": options.text("driver"),
        "Scope": options.text("scope"),
        "IPAM": {
            "Driver": options.text("ipam-driver"),
            "Options": dict(options.values["ipam-opt"]),  # type: ignore[call-overload]
            "Config": pools(
                _words(options, "subnet"),
                _words(options, "ip-range"),
                _words(options, "gateway"),
                dict(options.values["aux-address"]),  # type: ignore[call-overload]
            ),
        },
        "Internal": options.on("internal"),
        "Attachable": options.on("attachable"),
        "Ingress": options.on("ingress"),
        "ConfigOnly": options.on("config-only"),
        "ConfigFrom": {"Network": config_from} if config_from else None,
        "Options": dict(options.values["opt"]),  # type: ignore[call-overload]
        "Labels": dict(parse_map(label) for label in options.many("label")),
    }
    for flag, key in (("ipv4", "EnableIPv4"), ("ipv6", "EnableIPv6")):
        if flag in options.given:
            body[key] = options.on(flag)
    session.print(session.client.post("/networks/create", None, body)["Id"])
    return 0
