"""What the container's memory carries: how many connections and requests at once.

docs/operations/sizing.md has the same calculation.

Each connection is worth one idle websocket and one buffer: a TLS handshake that hangs, or half a head, costs no more than that. A
request under way may hold three buffers, when its client does not read; so a third as many requests fit as connections.
haproxy.cfg admits no more of either, and when more than half is taken, no more of one address than a part of what is free.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")

KIB, MIB = 2**10, 2**20

REST = 22 * MIB
"""This program, HAProxy's master and its worker before the first visitor, with the kernel's share; measured: 20 to 22."""

TABLES = 12 * MIB
"""The three tables of addresses, full, and 5,000 TLS sessions."""

CONNECTION = 43 * KIB
"""An idle websocket over TLS: 37 of HAProxy's and 6 of the kernel's; measured with 2,000."""

BUFFER = 33 * KIB
"""tune.bufsize and its overhead. A TLS handshake that hangs takes 24 KiB more than an idle websocket, half a head one buffer."""

BUFFERS_OF_A_REQUEST = 3
"""Of a large answer that is not read: one at the server's side, one between, one at the client's; measured: 100 KiB."""

RESERVE = 12
"""A 12th of the memory is for what its allocation wastes."""

FEWEST = 100
"""With fewer connections there is nothing to serve."""


class TooLittle(ValueError):
    """The memory carries nothing worth starting."""


@dataclass(frozen=True)
class Room:
    """What there is room for."""

    connections: int
    requests: int

    def settings(self) -> dict[str, str]:
        """As haproxy.cfg wants them."""
        return {"EDGE_MAXCONN": str(self.connections), "EDGE_REQUESTS_AT_ONCE": str(self.requests)}


def room(wanted: int, cache: int, limit: int | None) -> Room:
    """For WANTED connections at most, in addition to CACHE bytes of files, in LIMIT bytes (None: endless). Raises TooLittle."""
    connections = wanted if limit is None else min(wanted, carried(limit, cache))
    if limit is not None and connections < min(wanted, FEWEST):
        raise TooLittle(
            f"{limit // MIB} MiB of memory carry {max(0, connections)} connections and {cache // MIB} MiB of cache: "
            f"give it {needed(min(wanted, FEWEST), cache) // MIB} MiB (EDGE_MEMORY), or lower EDGE_CACHE_MEGABYTES"
        )
    return Room(connections, max(connections // BUFFERS_OF_A_REQUEST, 32))


def carried(limit: int, cache: int) -> int:
    """How many connections LIMIT bytes carry in addition to CACHE bytes of files."""
    return (limit - limit // RESERVE - REST - TABLES - cache) // (CONNECTION + BUFFER)


def needed(connections: int, cache: int) -> int:
    """The bytes that carry CONNECTIONS, rounded up to 16 MiB."""
    least = (connections * (CONNECTION + BUFFER) + REST + TABLES + cache) * RESERVE / (RESERVE - 1)
    return math.ceil(least / (16 * MIB)) * 16 * MIB


def limit() -> int | None:
    """The memory limit of this container, cgroup v2 or v1; None where it has none."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        path = CGROUPS / name
        if path.exists():
            text = path.read_text().strip()
            return int(text) if text != "max" and int(text) < physical else None
    return None


def processors() -> int:
    """As many as this container may keep busy, at least 1: its quota (cgroup v2 or v1), rounded up, of those that there are."""
    here = len(os.sched_getaffinity(0))
    quota = period = 0
    if (path := CGROUPS / "cpu.max").exists():
        first, _, second = path.read_text().strip().partition(" ")
        quota, period = (int(first), int(second)) if first != "max" else (0, 0)
    elif (path := CGROUPS / "cpu/cpu.cfs_quota_us").exists():
        quota, period = int(path.read_text()), int((CGROUPS / "cpu/cpu.cfs_period_us").read_text())
    return max(1, min(here, math.ceil(quota / period))) if quota > 0 else here
