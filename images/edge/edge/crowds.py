"""Whether most visitors seem to be one: behind a proxy that hides them, all share the limits of its address."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from . import haproxy

TABLE = "visitors"
"""The table of haproxy.cfg that counts what each address asks for, in ten seconds."""

FEWEST, SHARE = 100, 0.9
"""Requests in ten seconds, and the part of them that comes from one address, from which on it is worth a word."""

ENTRY = re.compile(r"key=(\S+) (.*)")
COUNTER = re.compile(r"gpc\d_rate\(\d+\)=(\d+)")


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
    for key, counters in ENTRY.findall(haproxy.ask(f"@1 show table {TABLE}")):
        asked[key] = sum(map(int, COUNTER.findall(counters)))
    total = sum(asked.values())
    address, most = max(asked.items(), key=lambda item: item[1], default=("", 0))
    if total < FEWEST or most < SHARE * total:
        return None
    found = ipaddress.ip_address(address)
    known = getattr(found, "ipv4_mapped", None) or found
    return Crowd(str(known), most, total) if known.is_private else None
