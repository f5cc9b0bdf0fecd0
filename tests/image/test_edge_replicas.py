"""Replicas that come, drain, stop and die behind the edge; limits per address."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import docker, wait_for
from .edges import Edge, frame, head, read_frame
from .visiting import Visitors

PAGES = Path(__file__).resolve().parents[2] / "images" / "edge" / "pages"
HASHED = "/static/app.0123abcd.js"


@pytest.fixture(autouse=True)
def _backends_stay_ready(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that drains a replica must not leave it so for the next, even if it fails."""
    yield
    if "drain" in request.node.name:
        site, backends = request.getfixturevalue("site"), request.getfixturevalue("backends")
        site.control(backends["ws-a"], "/control/ready?200", "POST")


# --- Replicas come, drain, stop, die --------------------------------------------------------------


def test_safe_requests_are_repeated_elsewhere(edge, seen):
    assert edge.get("/break-once").status == 200
    assert seen("GET", "/break-once") in (2, 3), "each of the two replicas breaks off once"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_unsafe_requests_are_never_repeated(edge, seen, method):
    answer = edge.get(f"/break/{method}", method=method, body=b"x")
    assert answer.status == 502
    assert b"before you repeat it" in answer.body
    assert seen(method, f"/break/{method}") == 1


def test_a_new_replica_is_found(site, edge, backends):
    site.backend("http", "http-new")
    wait_for(lambda: edge.get("/echo").echo["name"] == "http-new", "the new replica serves")


def test_a_draining_replica_gets_nothing_new_and_keeps_what_it_has(site, edge, backends):
    drained = backends["ws-a"]
    old = [edge.upgrade() for _ in range(4)]
    names = [head(link).header("x-name") for link in old]
    site.control(drained, "/control/ready?404", "POST")

    def avoided() -> bool:
        links = [edge.upgrade() for _ in range(4)]
        found = {head(link).header("x-name") for link in links}
        for link in links:
            link.close()
        return found == {"ws-b"}

    wait_for(avoided, "no new socket on the draining replica", 6)
    kept = old[names.index("ws-a")]
    kept.sendall(frame(b"kept"))
    assert read_frame(kept) == b"kept"
    site.control(drained, "/control/ready?200", "POST")
    wait_for(lambda: not avoided(), "it is back", 6)
    for link in old:
        link.close()


def test_no_page_is_lost_when_replicas_stop_start_and_die(site, edge, backends):
    """GETs without pause while a replica is stopped, started, killed and started: each is answered."""
    victim = site.backend("http", "http-victim")
    wait_for(lambda: edge.get("/echo").echo["name"] == "http-victim", "the victim serves")
    with Visitors(edge) as visitors:
        for end in (["stop", "--time=5"], ["kill"]):
            docker(*end, victim.name)
            visitors.more(200)
            docker("start", victim.name)
            wait_for(lambda: edge.get("/echo").echo["name"] == "http-victim", "the victim serves again")
    assert visitors.count > 400
    assert visitors.failures == []


# --- Limits per address ---------------------------------------------------------------------------


def test_too_many_requests_are_refused_with_the_reason(site, backends):
    edge = site.edge(wait=False, EDGE_REQUESTS_PER_10S="20")
    answers = [edge.get("/status/200") for _ in range(25)]
    assert [answer.status for answer in answers[:15]].count(429) == 0
    assert answers[-1].status == 429
    assert answers[-1].header("retry-after") == "10"
    assert answers[-1].header("strict-transport-security")


def test_too_many_handshakes_are_refused_with_the_reason_and_pages_go_on(site, backends):
    edge = site.edge(EDGE_HANDSHAKES_PER_10S="10")
    statuses = []
    for _ in range(15):
        with edge.upgrade() as link:
            statuses.append(head(link).status)
    assert statuses[:5] == [101] * 5
    assert statuses[-1] == 429
    assert edge.get("/echo").status == 200


def attempt(edge: Edge) -> int:
    """The status of a page, 0 if the connection is cut."""
    try:
        return edge.get("/echo").status
    except OSError:
        return 0


def test_a_full_edge_is_busy_not_dead(site, backends):
    edge = site.edge(EDGE_MAXCONN="100")
    links = []
    with pytest.raises(OSError):  # noqa: PT011, PT012
        while len(links) < 110:
            links.append(edge.connect())
    assert len(links) > 90
    assert edge.container.run(*edge.container.inspect()["Config"]["Healthcheck"]["Test"][1:]).returncode == 0
    for link in links:
        link.close()
    wait_for(lambda: attempt(edge) == 200, "there is room again")


def test_who_comes_to_a_nearly_full_edge_is_asked_to_come_again(site, backends):
    """Pages and sockets, by an answer instead of a reset; who is in stays in."""
    edge = site.edge(EDGE_MAXCONN="100")
    links, answers = [], []
    while not answers or (answers[-1].status == 101 and len(links) < 110):
        links.append(edge.upgrade())
        answers.append(head(links[-1]))
    assert 85 < len(answers) < 98
    page = edge.get("/echo")
    for refused in (answers[-1], page):
        assert (refused.status, refused.header("retry-after")) == (503, "5")
        assert refused.header("connection") == "close"
    assert edge.get("/-/edge").status == 200, "who asks whether it is well is told the truth"
    links[0].sendall(frame(b"still here"))
    assert read_frame(links[0]) == b"still here"
    for link in links:
        link.close()
    wait_for(lambda: attempt(edge) == 200, "there is room again")


def test_too_many_connections_are_refused_with_the_reason_then_cut(site, backends):
    edge = site.edge(EDGE_CONNECTIONS_PER_ADDRESS="10")
    links, statuses = [], []
    for _ in range(25):
        try:
            link = edge.upgrade()
            links.append(link)
            statuses.append(head(link).status)
        except (OSError, ssl.SSLError):
            statuses.append(0)
    assert statuses[:9] == [101] * 9
    assert 429 in statuses[10:]
    for link in links:
        link.close()
    wait_for(lambda: attempt(edge) == 200, "the address is free again")
