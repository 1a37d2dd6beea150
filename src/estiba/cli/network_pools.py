"""The address pools of ``network create``: --subnet, --ip-range, --gateway and --aux-address, matched by which subnet
holds which.
"""

from __future__ import annotations

import _socket

from estiba.cli.session import CommandError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _Net:
    """An address block: family bits, first address, prefix length."""

    def __init__(self, text: str) -> None:
        address, slash, length = text.partition("/")
        family = _socket.AF_INET6 if ":" in address else _socket.AF_INET
        self.bits = 128 if ":" in address else 32
        try:
            self.number = int.from_bytes(_socket.inet_pton(family, address), "big")
            self.length = int(length) if slash else self.bits
            if not 0 <= self.length <= self.bits:
                raise ValueError
        except (OSError, ValueError):
            raise CommandError(f"invalid CIDR address: {text}") from None

    def holds(self, other: _Net) -> bool:
        shift = self.bits - self.length
        return self.bits == other.bits and other.length >= self.length and self.number >> shift == other.number >> shift


def pools(
    subnets: list[str], ranges: list[str], gateways: list[str], auxiliary: dict[str, str]
) -> list[dict[str, Any]]:
    """IPAM.Config for the flags.

    Raises:
        CommandError: an address lies in no subnet, two subnets overlap, a subnet has two gateways or ranges.
    """
    if len(subnets) < len(ranges) or len(subnets) < len(gateways):
        raise CommandError("every ip-range or gateway must have a corresponding subnet")
    nets: list[tuple[_Net, dict[str, Any]]] = []
    for text in subnets:
        net = _Net(text)
        if any(net.holds(other) or other.holds(net) for other, _ in nets):
            raise CommandError("multiple overlapping subnet configuration is not supported")
        nets.append((net, {"Subnet": text}))
    for text in ranges:
        _assign(nets, _Net(text), "IPRange", text, f"no matching subnet for range {text}", "ranges")
    for text in gateways:
        _assign(nets, _Net(text), "Gateway", text, f"no matching subnet for gateway {text}", "gateways")
    for name, text in auxiliary.items():
        pool = _holder(nets, _Net(text), f"no matching subnet for aux-address {text}")
        pool.setdefault("AuxiliaryAddresses", {})[name] = text
    return [pool for _, pool in nets]


def _holder(nets: list[tuple[_Net, dict[str, Any]]], inner: _Net, missing: str) -> dict[str, Any]:
    for net, pool in nets:
        if net.holds(inner):
            return pool
    raise CommandError(missing)


def _assign(
    nets: list[tuple[_Net, dict[str, Any]]], inner: _Net, key: str, text: str, missing: str, words: str
) -> None:
    pool = _holder(nets, inner, missing)
    if key in pool:
        raise CommandError(
            f"cannot configure multiple {words} ({text}, {pool[key]}) on the same subnet ({pool['Subnet']})"
        )
    pool[key] = text
