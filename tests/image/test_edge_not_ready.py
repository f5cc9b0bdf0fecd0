"""images/edge while nothing is ready: pages go to replicas that live, websockets to none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from .conftest import Container, docker, wait_for
from .edges import Edge, Site, head
from .visiting import Load

READY, DRAINS, NOT_READY = 200, 404, 503


@pytest.fixture(scope="module")
def edge(site: Site, backends: dict[str, Container]) -> Edge:
    return site.edge()


@pytest.fixture(autouse=True)
def all_ready(site: Site, edge: Edge, backends: dict[str, Container]) -> Iterator[None]:
    """Before each test both replicas of each service are in."""
    for name in backends:
        become(site, backends, name, READY)
    wait_for(lambda: {served(edge) for _ in range(6)} == {"http-a", "http-b"}, "both replicas serve")
    wait_for(lambda: handshake(edge) == 101, "sockets are served")
    yield


def become(
    site: Site, backends: dict[str, Container], name: str, status: int, was_ready: bool = True
) -> None:
    site.control(backends[name], f"/control/was?{was_ready:d}", "POST")
    site.control(backends[name], f"/control/ready?{status}", "POST")


def served(edge: Edge) -> str | int:
    """Who answers a page, or the status of an answer that is the edge's."""
    answer = edge.get("/echo")
    return answer.echo["name"] if answer.status == 200 else answer.status


def handshake(edge: Edge) -> int:
    with edge.upgrade() as link:
        return head(link).status


def settled(edge: Edge, *names: str | int) -> None:
    """Wait until pages come from all of NAMES and nowhere else, and see that it stays so for as long as checks take."""
    wait_for(lambda: {served(edge) for _ in range(10)} == set(names), f"pages come from {names} alone")
    assert Counter(served(edge) for _ in range(100)).keys() == set(names)


def test_no_page_is_lost_while_readiness_goes_and_comes(site: Site, edge: Edge, backends):
    with Load(*[lambda: edge.get("/echo").status] * 2) as load:
        for _ in range(2):
            for name in backends:
                become(site, backends, name, NOT_READY)
            wait_for(lambda: handshake(edge) == 503, "the edge has seen that nothing is ready")
            settled(edge, "http-a", "http-b")
            for name in backends:
                become(site, backends, name, READY)
            wait_for(lambda: handshake(edge) == 101, "the edge has seen that all is ready")
    assert load.seen.keys() == {200}, load.seen
    assert load.seen[200] > 200


def test_websockets_are_refused(site: Site, edge: Edge, backends):
    for name in ("ws-a", "ws-b"):
        become(site, backends, name, NOT_READY)
    wait_for(lambda: handshake(edge) == 503, "no replica takes sockets")
    with edge.upgrade() as link:
        assert head(link).header("retry-after") == "5"


def test_one_that_is_ready_has_all_pages(site: Site, edge: Edge, backends):
    become(site, backends, "http-a", NOT_READY)
    settled(edge, "http-b")


def test_one_that_drains_is_not_chosen(site: Site, edge: Edge, backends):
    become(site, backends, "http-a", DRAINS)
    become(site, backends, "http-b", NOT_READY)
    settled(edge, "http-b")
    become(site, backends, "http-b", DRAINS)
    settled(edge, 503)
    assert "text/html" in (edge.get("/echo").header("content-type") or "")


def test_one_that_was_never_ready_is_the_last_resort(site: Site, edge: Edge, backends):
    become(site, backends, "http-a", NOT_READY, was_ready=False)
    become(site, backends, "http-b", NOT_READY)
    settled(edge, "http-b")
    become(site, backends, "http-b", DRAINS)
    settled(edge, "http-a")


def test_all_is_as_with_one_that_is_ready(site: Site, edge: Edge, backends):
    """Bodies, long answers, static files, and what may be sent once only."""
    for name in ("http-a", "http-b"):
        become(site, backends, name, NOT_READY)
    settled(edge, "http-a", "http-b")
    posted = edge.get("/echo", method="POST", body=b"x" * 300_000)
    assert (posted.status, posted.echo["body"]) == (200, 300_000)
    assert (
        edge.raw(
            b"POST /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"5\r\nhello\r\n0\r\n\r\n"
        ).echo["body"]
        == 5
    )
    assert b"last" in edge.get("/stream?1").body
    assert edge.get("/static/a.01234567.js").header("x-cache") == "miss"
    assert edge.get("/static/a.01234567.js").header("x-cache") == "hit"
    assert edge.get("/break-once").status == 200
    assert edge.get("/break/post", method="POST", body=b"x").status == 502
    seen = [site.control(backends[name], "/control/seen") for name in ("http-a", "http-b")]
    assert sum(text.count(b'"POST /break/post": 1') for text in seen) == 1
    assert sum(text.count(b'"POST /break/post"') for text in seen) == 1


def test_a_dead_one_is_not_chosen(site: Site, edge: Edge, backends):
    """The last test: what it stops does not come back."""
    for name in ("http-a", "http-b"):
        become(site, backends, name, NOT_READY)
    settled(edge, "http-a", "http-b")
    with Load(*[lambda: edge.get("/echo").status] * 2) as load:
        docker("kill", backends["http-a"].name)
        settled(edge, "http-b")
    assert load.seen.keys() == {200}, load.seen
