"""images/edge before it has found the application: a load balancer must not send anybody yet."""

from __future__ import annotations

from .conftest import docker, wait_for
from .edges import Edge, Site

PLAIN = b"GET /-/edge HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def said(edge: Edge) -> tuple[int, int]:
    """What /-/edge says on both ports."""
    return edge.get("/-/edge").status, edge.plain(PLAIN).status


def test_load_balancers_come_once_the_application_was_found_and_stay(site: Site):
    edge = site.edge(wait=False)
    wait_for(lambda: said(edge) == (503, 503), "it says that it starts")
    assert edge.get("/-/edge").body == b"starting\n"
    probe = edge.container.inspect()["Config"]["Healthcheck"]["Test"][1:]
    assert edge.container.run(*probe).returncode == 0, "its container would be replaced for it"

    replica = site.backend("http", "http-a")
    wait_for(lambda: edge.get("/echo").status == 200, "it has found the application")
    wait_for(lambda: said(edge) == (200, 200), "it says so")

    docker("stop", replica.name)
    wait_for(lambda: edge.get("/echo").status == 503, "the application is gone")
    assert said(edge) == (200, 200), "every edge would say so, and nobody would see the page that says why"
