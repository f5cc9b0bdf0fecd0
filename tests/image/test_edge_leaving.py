"""images/edge and the application's images together: websockets through an edge that stops are told 1012."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from stacks import on_threads
from support.polling import PATIENCE
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from .conftest import Container, docker, wait_for
from .edges import KEY, UPGRADE, VERSION, Edge, Site, head, make_certificate, read_frame

PROJECT = Path(__file__).resolve().parents[1] / "unit" / "runtime"
"""Where the package `conformance` lies, a project that needs neither Redis nor PostgreSQL with these settings."""

ENVIRONMENT = {
    "PYTHONPATH": "/tests",
    "APP_OVERLAY": "off",
    "APP_SETTINGS": "conformance.settings",
    "APP_ASGI": "conformance.asgi:application",
    "SECRET_KEY": "k7f3-only-for-tests-" * 4,
    "DATABASE_URL": "sqlite://:memory:",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "TEST_SILENCE": "/tmp/never",  # a channel layer within the process
    "TEST_JOURNAL": "/tmp/journal",
}
ORIGIN = "https://localhost"
RESTART, LATER = 1012, 1013


@pytest.fixture(params=["uvicorn", "gunicorn", "daphne"])
def ws(request: pytest.FixtureRequest, site: Site) -> Iterator[Container]:
    """One replica of ws, the real one; its port 8000 leads past every edge."""
    image = os.environ["DAPHNE_IMAGE" if request.param == "daphne" else "UVICORN_IMAGE"]
    flags = [f"--env={name}={value}" for name, value in {**ENVIRONMENT, "SERVER_WS": request.param}.items()]
    flags += [
        "--network-alias=ws",
        "--publish=127.0.0.1::8000",
        "--tmpfs=/tmp",
        f"--volume={PROJECT}:/tests:ro",
    ]
    container = site.yard.start(image, "channels-stack", "serve", "ws", flags=[*flags, "--no-healthcheck"])
    yield container
    docker("stop", container.name)  # the next one is to be alone


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for /etc/edge that the test may change."""
    tmp_path.chmod(0o755)
    make_certificate(tmp_path)
    return tmp_path


def start(site: Site, folder: Path | None = None, **settings: str) -> Edge:
    """An edge that has found the replica."""
    edge = site.edge(folder, wait=False, **settings)

    def found() -> bool:
        with (
            contextlib.suppress(OSError, ConnectionClosed),
            edge.upgrade("/echo/", headers=HANDSHAKE) as link,
        ):
            return head(link).status == 101
        return False

    wait_for(found, "the edge found the replica")
    return edge


HANDSHAKE = UPGRADE + KEY + VERSION + f"Origin: {ORIGIN}\r\n".encode()


class Names(socketserver.UDPServer):
    """A name service that knows the address of `ws`, until it is made to forget it: `with Names(at) as names: …`."""

    def __init__(self, gateway: str, address: str) -> None:
        super().__init__((gateway, 0), Answer)
        self.address: str | None = address

    def __enter__(self) -> Names:
        threading.Thread(target=self.serve_forever, args=(0.05,)).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class Answer(socketserver.BaseRequestHandler):
    """One answer (RFC 1035, 4.1): the address to a question for an A record of `ws`, none to another; else "no such name"."""

    def handle(self) -> None:
        data, link = self.request
        end = data.index(b"\0", 12) + 5
        known = self.server.address and data[12:].startswith(b"\x02ws")
        found = known and data[end - 4 : end - 2] == b"\0\x01"
        head = (
            data[:2]
            + (b"\x81\x80" if known else b"\x81\x83")
            + bytes([0, 1, 0, int(bool(found)), 0, 0, 0, 0])
        )
        record = b"\xc0\x0c\0\x01\0\x01\0\0\0\0\0\x04"
        address = record + socket.inet_aton(self.server.address) if found else b""
        link.sendto(head + data[12:end] + address, self.client_address)


def through(edge: Edge) -> ClientConnection:
    """A websocket through EDGE."""
    link = socket.create_connection(("127.0.0.1", edge.https), PATIENCE)
    trust = on_threads(ssl._create_unverified_context())
    return connect("wss://localhost:8443/echo/", sock=link, ssl=trust, origin=ORIGIN, proxy=None, legacy=True)


def past(ws: Container) -> ClientConnection:
    """A websocket that no edge knows of."""
    return connect(f"ws://127.0.0.1:{ws.port(8000)}/echo/", origin=ORIGIN, proxy=None, legacy=True)


def code(client: ClientConnection) -> int:
    """The close code that the client sees; 1006 where the connection broke without one."""
    try:
        while True:
            client.recv(timeout=PATIENCE)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 1006


def lives(client: ClientConnection) -> bool:
    """Whether it still echoes."""
    client.send("still here?")
    return "still here?" in (client.recv(PATIENCE), client.recv(PATIENCE))


def told(edge: Edge) -> list[dict]:
    """What the edge's log says of the websockets that were told."""
    lines = [json.loads(line) for line in edge.container.logs().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == "leave"]


def refused(edge: Edge) -> bool:
    """Whether nothing new is taken."""
    try:
        edge.connect().close()
    except OSError:
        return True
    return False


def test_who_came_through_it_is_closed_and_no_one_else(site: Site, ws: Container, folder: Path):
    """Before and after a reload, so through both of its workers; another edge's stay, and those past every edge."""
    edge, other = start(site, folder), start(site)
    its = [through(edge) for _ in range(5)]
    make_certificate(folder)
    assert edge.container.run("edge", "reload").stdout == "reloaded\n"
    its += [through(edge) for _ in range(5)]
    others = [through(other), through(other), past(ws)]
    states: list[bool] = []
    codes: list[int] = []

    def visit(client: ClientConnection) -> None:
        codes.append(code(client))
        states.append(refused(edge))

    visitors = [threading.Thread(target=visit, args=(client,)) for client in its]
    for visitor in visitors:
        visitor.start()
    exit_code, seconds = edge.container.stop()
    for visitor in visitors:
        visitor.join()
    assert codes == [RESTART] * 10
    assert all(states), "who was told could have come back to the edge that stops"
    assert exit_code == 0 and seconds < 25, f"exit code {exit_code} after {seconds:.1f} s"
    (line,) = told(edge)
    assert (line["told"], line["silent"]) == (10, {})
    assert all(lives(client) for client in others)
    for client in others:
        client.close()


@pytest.mark.parametrize("ws", ["uvicorn"], indirect=True)
def test_a_former_worker_that_is_displaced_has_its_own_closed(site: Site, ws: Container, folder: Path):
    """By the fourth reload after it; those of the three in between and of the current one stay."""
    edge = start(site, folder)
    clients = []
    for _ in range(4):
        clients.append([through(edge), through(edge)])
        make_certificate(folder)
        reload = edge.container.run("edge", "reload")
        assert reload.stdout == "reloaded\n"
    first, *others = [*clients, [through(edge)]]
    assert [code(client) for client in first] == [RESTART] * 2
    assert all(lives(client) for group in others for client in group)
    assert json.loads(reload.stderr)["told"] == 2
    for group in others:
        for client in group:
            client.close()


@pytest.mark.parametrize("ws", ["uvicorn"], indirect=True)
def test_a_former_worker_whose_time_is_over_has_its_own_closed(site: Site, ws: Container, folder: Path):
    (folder / "settings.env").write_text("DOMAINS=localhost\nEDGE_RELOAD_TIMEOUT=12s\n")
    edge = start(site, folder)
    former = [through(edge) for _ in range(4)]
    make_certificate(folder)
    assert edge.container.run("edge", "reload").stdout == "reloaded\n"
    with through(edge) as current:
        assert [code(client) for client in former] == [RESTART] * 4
        assert lives(current)
    lines = wait_for(lambda: told(edge), "the edge says so")
    assert [(line["told"], line["silent"]) for line in lines] == [(4, {})]


@pytest.mark.parametrize("ws", ["uvicorn"], indirect=True)
def test_who_comes_last_on_a_connection_that_was_kept_is_closed_too(site: Site, ws: Container):
    edge = start(site)
    with edge.connect() as kept, through(edge) as first:
        kept.sendall(b"GET /-/edge HTTP/1.1\r\nHost: localhost\r\n\r\n")
        # Any answer would do; this site has no `http`, for which /-/edge waits.
        assert kept.recv(int(head(kept).header("content-length"))) == b"starting\n"
        docker("kill", "--signal=TERM", edge.container.name)
        assert code(first) == RESTART
        kept.sendall(b"GET /echo/ HTTP/1.1\r\nHost: localhost\r\n" + HANDSHAKE + b"\r\n")
        assert head(kept).status == 101
        assert read_frame(kept).startswith(b"wss ")
        assert int.from_bytes(read_frame(kept)[:2], "big") == RESTART
    assert edge.container.ended() == 0
    assert [line["told"] for line in told(edge)] == [1, 1]


@pytest.mark.parametrize("ws", ["uvicorn"], indirect=True)
def test_a_replica_that_has_left_the_name_service_is_asked_too(site: Site, ws: Container):
    """As on a host that is emptied: Swarm stops both, and tells nobody of the replica's address any more."""
    network = ws.inspect()["NetworkSettings"]["Networks"][site.yard.name]
    with Names(network["Gateway"], network["IPAddress"]) as names:
        edge = start(site, EDGE_RESOLVER=f"{network['Gateway']}:{names.server_address[1]}")
        clients, opened = [through(edge) for _ in range(5)], time.monotonic()
        # It has been there for some time, as the supervisor has seen, which looks every 4 s.
        wait_for(lambda: time.monotonic() > opened + 5, "the supervisor has looked")
        names.address = None

        def lost() -> bool:
            with edge.upgrade("/echo/", headers=HANDSHAKE) as link:
                return head(link).status == 503

        wait_for(lost, "the edge finds it no more")
        assert edge.container.stop()[0] == 0
    assert [code(client) for client in clients] == [RESTART] * 5


@pytest.mark.parametrize("ws", ["uvicorn"], indirect=True)
def test_maintenance(site: Site, ws: Container, folder: Path):
    """Sockets that are open are told to come later, nothing new gets in, probes go on; over a restart; until the file is gone."""
    edge = start(site, folder)
    clients = [through(edge), through(edge)]
    (folder / "maintenance").touch()
    reload = edge.container.run("edge", "reload")
    assert json.loads(reload.stderr.splitlines()[0])["told"] == 2, reload.stderr
    assert [code(client) for client in clients] == [LATER] * 2

    def closed() -> None:
        page = edge.get("/")
        assert page.status == 503 and page.header("retry-after") == "60" and b"Maintenance" in page.body
        with edge.upgrade("/echo/", headers=HANDSHAKE) as link:
            answer = head(link)
        assert answer.status == 503 and answer.header("retry-after") == "60"
        # It has found no replica of http here; with one it says 200.
        assert edge.get("/-/edge").body == b"starting\n"
        assert json.loads(edge.container.run("edge", "status").stdout)["maintenance"]

    closed()
    docker("restart", edge.container.name)
    again = Container(edge.container.name)  # with other ports
    edge = Edge(again, again.port(8443), again.port(8080))
    wait_for(lambda: not refused(edge) and edge.get("/-/edge").status, "the edge is back")
    closed()
    (folder / "maintenance").unlink()
    edge.container.run("edge", "reload")
    with through(edge) as client:
        assert lives(client)
