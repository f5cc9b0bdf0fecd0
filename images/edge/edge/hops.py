"""What is in front of the edge and is believed: EDGE_TRUSTED_HOPS and EDGE_CLIENT_FROM, made ready for HAProxy.

HAProxy takes a word that is no address for a name and asks the name service, and any text for the name of a header.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from pathlib import Path

HOST = "host"
"""The word for the machine that the container runs on."""

NOTHING = "none"
"""The word for: visitors come by themselves."""

UNUSED = "0.0.0.0"
"""What `host` is where no route leads out, as in the container of a check: an address from which nothing ever comes."""

HEADER = re.compile(r"[A-Za-z0-9-]+")
ROUTES, ROUTES_6 = Path("/proc/net/route"), Path("/proc/net/ipv6_route")


def resolved(words: str) -> str:
    """WORDS of EDGE_TRUSTED_HOPS with the addresses of this machine in the place of `host`; what `problems` names is left out."""
    found: list[str] = []
    for word in words.split():
        if word == HOST:
            found += gateways() or [UNUSED]
        elif not _objection(word):
            found.append(word)
    return " ".join(found) or NOTHING


def gateways() -> list[str]:
    """The addresses by which the machine speaks to this container: those of its default routes."""
    found = []
    for line in _lines(ROUTES)[1:]:
        destination, gateway = line.split()[1:3]
        if destination == "00000000" and gateway != destination:
            found.append(socket.inet_ntoa(bytes.fromhex(gateway)[::-1]))
    for line in _lines(ROUTES_6):
        destination, length, _, _, gateway = line.split()[:5]
        if length == "00" and gateway != destination:
            found.append(socket.inet_ntop(socket.AF_INET6, bytes.fromhex(gateway)))
    return found


def problems(values: dict[str, str]) -> list[str]:
    """What is wrong with the settings in VALUES, one line each."""
    words = values.get("EDGE_TRUSTED_HOPS", NOTHING)
    found = [
        f"EDGE_TRUSTED_HOPS holds {word!r}: {objection}; it takes addresses, networks (10.0.0.0/8) and the word host"
        for word in words.split()
        if words != NOTHING and word != HOST and (objection := _objection(word))
    ]
    header = values.get("EDGE_CLIENT_FROM", "x-forwarded-for")
    if not HEADER.fullmatch(header) or header.lower() == "forwarded":
        found.append(
            f"EDGE_CLIENT_FROM is {header!r}; it takes proxy-protocol or the name of a header that holds addresses, "
            "x-forwarded-for for example"
        )
    if words == NOTHING:
        found += [
            f"{name} is {value}, but EDGE_TRUSTED_HOPS names nothing in front"
            for name, value in (("EDGE_CLIENT_FROM", "proxy-protocol"), ("EDGE_TLS_IN_FRONT", "true"))
            if values.get(name, "").lower() == value
        ]
    return found


def _objection(word: str) -> str:
    try:
        ipaddress.ip_network(word)
    except ValueError as error:
        return str(error)
    return ""


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
