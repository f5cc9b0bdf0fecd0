"""How many idle WebSockets the settings and this machine bear, and what bounds them: docs/operations/sizing.md has the same.

The edge calculates its part again in its container (images/edge/edge/memory.py), where it knows its memory for certain.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .concurrency import Problem, mebibytes

EDGE_CONNECTION = 76
"""Kibibytes of EDGE_MEMORY for each connection: an idle WebSocket over TLS, and one buffer."""

EDGE_REST = 34
"""Mebibytes of EDGE_MEMORY for the rest, the cache apart."""

EDGE_RESERVE = 12 / 11
"""A 12th of EDGE_MEMORY is for what its allocation wastes."""

ADMITTED = 47 / 50
"""Of EDGE_MAXCONN: above it new connections get 503 with Retry-After (haproxy.cfg, section 1)."""

WS_IDLE, WS_SOCKET, WS_RESERVE = 56, 60, 3 / 4
"""Mebibytes of a ws without sockets; kibibytes for each, with the reference application's consumer; the part that may be used."""

TRACKED = 2
"""Entries in the kernel's table of connections for each socket: from the visitor to the edge, from there to ws."""

TRACKED_BY_OTHERS = 2000
CONNTRACK = Path("/proc/sys/net/netfilter/nf_conntrack_max")


@dataclass(frozen=True)
class Bound:
    """So many SOCKETS at most, because of WHAT."""

    sockets: int
    what: str


def edge_memory(connections: int, cache: int) -> float:
    """Mebibytes of EDGE_MEMORY that bear CONNECTIONS in addition to CACHE mebibytes of files."""
    return (connections * EDGE_CONNECTION / 1024 + EDGE_REST + cache) * EDGE_RESERVE


def edge_connections(memory: float, cache: int) -> int:
    """Connections that MEMORY, in mebibytes, bears in addition to CACHE mebibytes of files."""
    return int((memory / EDGE_RESERVE - EDGE_REST - cache) * 1024 / EDGE_CONNECTION)


def bounds(settings: dict[str, str], tracked: int | None) -> list[Bound]:
    """What bounds the idle sockets, the tightest first; TRACKED: connections that the kernel keeps account of, None: endless."""
    replicas = int(settings["WS_REPLICAS"])
    memory, cache = mebibytes(settings["EDGE_MEMORY"]), int(settings["EDGE_CACHE_MEGABYTES"])
    of_memory = (mebibytes(settings["WS_MEMORY"]) * WS_RESERVE - WS_IDLE) * 1024 / WS_SOCKET
    bounds = [
        Bound(int(int(settings["EDGE_MAXCONN"]) * ADMITTED), "EDGE_MAXCONN"),
        Bound(int(edge_connections(memory, cache) * ADMITTED), "EDGE_MEMORY"),
        Bound(int(settings["WS_MAX_SOCKETS"]) * replicas, "WS_MAX_SOCKETS x WS_REPLICAS"),
        Bound(int(of_memory) * replicas, "WS_MEMORY x WS_REPLICAS"),
    ]
    if tracked is not None:
        bounds.append(Bound(max(0, tracked - TRACKED_BY_OTHERS) // TRACKED, "nf_conntrack_max"))
    return sorted(bounds, key=lambda each: each.sockets)


def tracked() -> int | None:
    """Connections that this kernel keeps account of; None where it keeps none yet."""
    return int(CONNTRACK.read_text()) if CONNTRACK.exists() else None


def summary(settings: dict[str, str]) -> str:
    """One line for people; "" where there are no sockets."""
    if settings["WS_REPLICAS"] == "0":
        return ""
    first, *others = bounds(settings, tracked())
    rest = ", ".join(f"{other.what} {other.sockets:,}" for other in others)
    return f"idle WebSockets: {first.sockets:,}, bound by {first.what} ({rest})"


def problems(settings: dict[str, str], most: int | None) -> list[Problem]:
    """Connections that the kernel would not keep account of: it drops their packets, and nothing says why."""
    wanted = TRACKED * int(settings["EDGE_MAXCONN"]) + TRACKED_BY_OTHERS
    if most is None or wanted <= most:
        return []
    return [
        (
            "sockets",
            f"EDGE_MAXCONN={settings['EDGE_MAXCONN']} needs {wanted} connections tracked, and the kernel tracks {most}",
            f"sysctl net.netfilter.nf_conntrack_max={wanted} (in /etc/sysctl.d), or a lower EDGE_MAXCONN",
        )
    ]
