"""Networks and addresses, with nothing but the standard library on the controller."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from typing import Any


def host_wrong_networks(networks: Iterable[str]) -> list[str]:
    """Those of NETWORKS that are none: {{ ['192.0.2.0/24', '192.0.2.1/24'] | host_wrong_networks }} -> ['192.0.2.1/24']"""
    return [text for text in networks if parsed(text) is None]


def host_lets_in(networks: Iterable[str], address: str) -> bool:
    """Whether one of NETWORKS contains ADDRESS."""
    wanted = ipaddress.ip_address(address.partition("%")[0])
    return any(network is not None and wanted in network for network in map(parsed, networks))


def parsed(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """TEXT as a network, None where it is none (bits of a host set count as a typing error)."""
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None


class FilterModule:
    """Ansible's way to find them."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name -> function."""
        return {"host_lets_in": host_lets_in, "host_wrong_networks": host_wrong_networks}
