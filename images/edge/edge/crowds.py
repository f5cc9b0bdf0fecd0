"""What the tables of haproxy.cfg say of addresses: whether most visitors seem to be one, and who floods the edge.

Behind a proxy that hides them, all visitors share the limits of its address.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from . import haproxy

VISITORS, ADDRESSES = "visitors", "addresses"
"""Tables of haproxy.cfg: what each address asked the application for in ten seconds; all that it asked for, and was refused."""

FEWEST, SHARE = 100, 0.9
"""Requests in ten seconds, and the part of them that comes from one address, from which on it is worth a word."""

ENTRY = re.compile(r"key=(\S+) (.*)")
COUNTER = re.compile(r"gpc\d_rate\(\d+\)=(\d+)")
ASKED, REFUSED = re.compile(r"http_req_rate\(\d+\)=(\d+)"), re.compile(r"http_err_rate\(\d+\)=(\d+)")
ASKED_TIMES = 5
"""A flood is so many times as many requests as refusals, both beyond what the limits admit (haproxy.cfg)."""


@dataclass(frozen=True)
class Crowd:
    """An address that most requests come from."""

    address: str
    requests: int
    total: int

    def __str__(self) -> str:
        return (
            f"{self.requests} of {self.total} requests in 10 s come from {self.address}: if that is a proxy in front of this "
            "edge, or Docker's own, it hides who comes, and all visitors share the limits of its address. "
            "Name it in EDGE_TRUSTED_HOPS (docs/how-to/in-front.md), or set the limits by address to 0"
        )


def look() -> Crowd | None:
    """The private address that most requests come from, if there is one. Raises Unreachable.

    A public one is no proxy of ours: it is a visitor, or an office of them.
    """
    asked: dict[str, int] = {}
    for key, counters in ENTRY.findall(haproxy.ask(f"@1 show table {VISITORS}")):
        asked[key] = sum(map(int, COUNTER.findall(counters)))
    total = sum(asked.values())
    address, most = max(asked.items(), key=lambda item: item[1], default=("", 0))
    if total < FEWEST or most < SHARE * total:
        return None
    known = _address(address)
    return Crowd(str(known), most, total) if known.is_private else None


@dataclass(frozen=True)
class Flood:
    """An address whose connections are cut."""

    address: str
    requests: int
    refused: int

    def __str__(self) -> str:
        return (
            f"{self.address} floods the edge, {self.requests} requests in 10 s, {self.refused} of them refused or wrong: its "
            "connections are cut until that is over, or its requests answered 429 if it comes through a hop that names it in a "
            "header (EDGE_FLOOD_PER_10S)"
        )


def floods() -> list[Flood]:
    """All that HAProxy cuts, who asks most first. Raises Unreachable."""
    names = ("EDGE_FLOOD_PER_10S", "EDGE_REQUESTS_PER_10S", "EDGE_HANDSHAKES_PER_10S")
    limit, requests, handshakes = (int(haproxy.setting(name)) for name in names)
    if requests == 0 or limit == 0:
        return []
    admitted = requests + handshakes
    found = []
    for condition in (
        f"http_err_rate ge {admitted + limit}",
        f"http_req_rate ge {admitted + ASKED_TIMES * limit}",
    ):
        for key, counters in ENTRY.findall(haproxy.ask(f"@1 show table {ADDRESSES} data.{condition}")):
            asked, refused = (int(each.findall(counters)[0]) for each in (ASKED, REFUSED))
            found.append(Flood(str(_address(key)), asked, refused))
    return sorted(set(found), key=lambda each: -each.requests)


def _address(key: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """As people write it: an IPv4 address is one."""
    found = ipaddress.ip_address(key)
    return getattr(found, "ipv4_mapped", None) or found
