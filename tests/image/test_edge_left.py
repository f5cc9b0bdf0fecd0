"""The edge passes on that a client has left: pages, streams and uploads, on the real servers."""

from __future__ import annotations

import re
import socket
import struct
import uuid
from collections.abc import Iterator
from pathlib import Path

import h2.config
import h2.connection
import pytest

from .conftest import Container, docker, given, wait_for
from .edges import Edge, Site

PROJECT = Path(__file__).with_name("patience.py")
SERVERS = ("gunicorn", "uvicorn", "daphne")


def environment(server: str) -> dict[str, str]:
    return {
        "SERVER_HTTP": server,
        "APP_OVERLAY": "off",
        "APP_SETTINGS": "patience",
        "APP_ASGI": "patience:application",
        "PYTHONPATH": "/project",
        "SECRET_KEY": "k7f3-only-for-tests-" * 4,
        "DATABASE_URL": "sqlite://:memory:",
        "REDIS_URL": "redis://127.0.0.1:1/0",
    }


@pytest.fixture(scope="module")
def edge(site: Site) -> Edge:
    return site.edge(wait=False)


@pytest.fixture(scope="module", params=SERVERS)
def application(request, yard, edge: Edge) -> Iterator[Container]:
    """`channels-stack serve http` with this server, the only one that the edge finds."""
    image = given("DAPHNE_IMAGE" if request.param == "daphne" else "UVICORN_IMAGE")
    flags = [f"--env={name}={value}" for name, value in environment(request.param).items()]
    flags += [f"--volume={PROJECT}:/project/patience.py:ro", "--network-alias=http", "--tmpfs=/tmp"]
    container = yard.start(
        image,
        "channels-stack",
        "serve",
        "http",
        flags=[*flags, "--no-healthcheck", "--publish=127.0.0.1::8000"],
    )
    wait_for(lambda: edge.get("/").status == 200, f"the edge found {request.param}")
    yield container
    docker("rm", "--force", "--volumes", container.name)
    yard.containers.remove(container)
    wait_for(lambda: edge.get("/").status == 503, "the edge has lost it")


def said(container: Container, what: str, name: str) -> float | None:
    """After how many seconds of its request the application said so; None: it has not."""
    found = re.search(rf"^{what} {name} after ([0-9.]+)$", container.output(), re.MULTILINE)
    return float(found[1]) if found else None


class Http1:
    """A request under way over HTTP/1.1, and how its client may go."""

    ways = ("fin", "rst")

    def __init__(self, edge: Edge, method: str, path: str, body: bytes = b"", length: int = 0) -> None:
        self.link = edge.connect()
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n"
        head += f"Content-Length: {length}\r\n" if length else ""
        self.link.sendall(head.encode() + b"\r\n" + body)

    def leave(self, way: str) -> None:
        if way == "rst":
            self.link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.link.close()


class Http2:
    """The same over HTTP/2, where one stream of a connection may go alone."""

    ways = ("fin", "rst", "stream")

    def __init__(self, edge: Edge, method: str, path: str, body: bytes = b"", length: int = 0) -> None:
        self.link = edge.connect(alpn="h2")
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()
        head = {":method": method, ":scheme": "https", ":authority": "localhost", ":path": path}
        head |= {"content-length": str(length)} if length else {}
        self.h2.send_headers(1, list(head.items()), end_stream=not length)
        for start in range(0, len(body), 16000):
            self.h2.send_data(1, body[start : start + 16000])
        self.link.sendall(self.h2.data_to_send())

    def leave(self, way: str) -> None:
        if way == "stream":
            self.h2.reset_stream(1, 8)  # CANCEL: a browser that closes a tab
            self.link.sendall(self.h2.data_to_send())
            return
        if way == "rst":
            self.link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.link.close()


LEAVING = [
    pytest.param(version, way, id=f"{version.__name__}-{way}")
    for version in (Http1, Http2)
    for way in version.ways
]


@pytest.mark.parametrize("kind", ["view", "stream", "events"])
@pytest.mark.parametrize(("version", "way"), LEAVING)
def test_a_client_that_leaves(edge, application, version, way, kind):
    name = uuid.uuid4().hex
    client = version(edge, "GET", f"/{kind}/{name}")
    began = wait_for(lambda: said(application, "waits", name) is not None, "the view runs")
    assert began
    client.leave(way)
    wait_for(lambda: said(application, "left", name) is not None, "http.disconnect")


@pytest.mark.parametrize(("version", "way"), LEAVING)
def test_an_upload_that_stops(edge, application, version, way):
    """Daphne alone calls the application only for a body that is complete: there it never hears of this one."""
    name = uuid.uuid4().hex
    client = version(edge, "POST", f"/upload/{name}", b"x" * 60_000, length=1_000_000)
    streams = "SERVER_HTTP=daphne" not in application.inspect()["Config"]["Env"]
    if streams:
        wait_for(lambda: said(application, "reads", name) is not None, "the body arrives")
    client.leave(way)
    if streams:
        wait_for(lambda: said(application, "left", name) is not None, "http.disconnect")
    assert len(edge.log(f"/upload/{name}")) == 1  # it is over for the edge


def test_who_stays_gets_the_answer(edge, application):
    """The others of the same connection to the application, and of the same client, are not disturbed."""
    name = uuid.uuid4().hex
    staying = Http1(edge, "GET", f"/view/{name}")
    wait_for(lambda: said(application, "waits", name) is not None, "the view runs")
    going = Http1(edge, "GET", f"/view/{uuid.uuid4().hex}")
    going.leave("fin")
    staying.link.settimeout(60)
    assert staying.link.recv(100).startswith(b"HTTP/1.1 200")
