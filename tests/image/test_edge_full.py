"""images/edge, filled to its limit by strangers from fifty addresses: a visitor from another one notices nothing."""

from __future__ import annotations

import json
import math
import time

import pytest

from .conftest import Container, wait_for
from .crowd import FLOODS
from .edges import Edge, Site, frame, head, read_frame

pytestmark = pytest.mark.alone

NOTICED_SECONDS = 0.1
"""A page below it is at once for a person. The crowd computes on the same two cores as the edge: 5 ms become 40."""

ADDRESSES = 50
PAGES = 30
LARGE = "/static/large/file"


@pytest.fixture(scope="module")
def edge(site: Site, backends: dict[str, Container]) -> Edge:
    """With 256 MiB and the defaults."""
    edge = site.edge(limited=True)
    assert (
        edge.get(LARGE).status == 200
    )  # from now on in the cache: the strangers shall not be slowed down by a backend
    return edge


def visit(edge: Edge) -> float:
    """How long 95 % of the pages take at most, in seconds; all have to succeed."""
    times = []
    for _ in range(PAGES):
        begin = time.monotonic()
        assert edge.get("/echo").status == 200
        times.append(time.monotonic() - begin)
    return sorted(times)[math.ceil(PAGES * 0.95) - 1]


MEASUREMENTS = 3
"""The best counts: another program on the machine disturbs one of them, a crowd that fills the edge all."""


@pytest.mark.parametrize(
    ("kind", "connections", "least"),
    [
        ("silent", 60, 1200),  # TCP, and not a byte
        ("half-tls", 60, 1200),  # a ClientHello, and nothing more
        ("sockets", 60, 1200),  # idle websockets
        ("posts", 3, 60),  # HTTP/2, all the POSTs that there may be, one byte of each
        ("readers", 4, 60),  # HTTP/2, all the large answers that there may be, and nothing read
        ("reader", 20, 300),  # HTTP/2, one large answer on each connection, and nothing read
    ],
)
def test_who_is_not_in_the_crowd_notices_nothing(
    site: Site, edge: Edge, kind: str, connections: int, least: int
):
    """LEAST connections of the crowd have to be open, or it has filled nothing."""
    wait_for(lambda: connected(edge) < 50, "the former crowd has gone")
    quiet = visit(edge)
    with edge.upgrade() as link, site.crowd(edge, kind, ADDRESSES, connections) as strangers:
        assert head(link).status == 101
        wait_for(lambda: strangers.counts["open"] >= least, f"{least} of {kind} are there")
        wait_for(lambda: strangers.counts["tried"] >= ADDRESSES * connections, f"all {kind} have tried")
        full = min(visit(edge) for _ in range(MEASUREMENTS))
        link.sendall(frame(b"still here"))
        assert read_frame(link) == b"still here"
        print(
            f"{kind}: p95 {quiet * 1000:.0f} ms quiet, {full * 1000:.0f} ms full, {strangers.counts}, {memory(edge)} MiB at most"
        )
        assert full < max(3 * quiet, NOTICED_SECONDS), (
            f"{quiet * 1000:.0f} ms quiet, {full * 1000:.0f} ms full"
        )
    assert "exited with code" not in edge.container.logs(), "the kernel has killed a worker"


def connected(edge: Edge) -> int:
    """How many connections the edge has."""
    return json.loads(edge.container.run("edge", "status").stdout)["connections"]


def memory(edge: Edge) -> int:
    """The most that its container ever had, MiB."""
    paths = "/sys/fs/cgroup/memory.peak /sys/fs/cgroup/memory/memory.max_usage_in_bytes"
    return int(edge.container.run("sh", "-c", f"cat {paths} 2>/dev/null || true").stdout.split()[0]) >> 20


@pytest.fixture(scope="module")
def flooded(site: Site, backends: dict[str, Container]) -> Edge:
    """One that no crowd has filled."""
    return site.edge(limited=True)


CUT = ("requests", "refused")
"""Floods of refused requests. Where they are taken back, their connection ends before there are so many."""


@pytest.mark.parametrize("kind", [*FLOODS, "frames"])
def test_a_flood_costs_others_nothing(site: Site, flooded: Edge, kind: str):
    """From three addresses, on two connections each: six, as there are kinds of frames."""
    wait_for(lambda: not floods(flooded), "the former flood is over")
    quiet = visit(flooded)
    logged, named = len(flooded.container.output()), said(flooded)
    with flooded.upgrade() as link, site.crowd(flooded, kind, 3, 2) as strangers:
        assert head(link).status == 101
        wait_for(lambda: strangers.counts["sent"] > 0, "the flood has begun")
        if kind in CUT:
            wait_for(lambda: floods(flooded), "the edge calls it a flood")
            wait_for(lambda: said(flooded) > named, "the edge says who floods it")
        full = min(visit(flooded) for _ in range(MEASUREMENTS))
        link.sendall(frame(b"still here"))
        assert read_frame(link) == b"still here"
        counts = strangers.counts
    mib = (len(flooded.container.output()) - logged) / 2**20
    print(
        f"{kind}: p95 {quiet * 1000:.0f} ms quiet, {full * 1000:.0f} ms in it, {counts}, {mib:.1f} MiB of log"
    )
    assert full < max(3 * quiet, FLOODED_SECONDS)
    assert mib < LOG_MIB


FLOODED_SECONDS = 0.3
"""Of the two cores, the flood takes what the edge does not: three strangers who are not on this machine leave it both."""

LOG_MIB = 20
"""A line for each of the first 10,000 errors of an address, and few from then on: a flood has a hundred times as many."""


def said(edge: Edge) -> int:
    """How often the edge has said that an address floods it."""
    return edge.container.logs().count("floods the edge")


def floods(edge: Edge) -> list[dict]:
    """Whom the edge cuts."""
    return json.loads(edge.container.run("edge", "status").stdout)["floods"]
