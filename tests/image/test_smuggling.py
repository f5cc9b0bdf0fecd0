"""Edge and application never disagree about a request: attempts at smuggling, against the three real servers.

All attempts of a server run at once, with visitors in between; then each is judged by what the application recorded.
"""

from __future__ import annotations

import concurrent.futures
import json
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import pytest

from .conftest import RUN, Container, Yard, docker, given, wait_for
from .edges import KEY, UPGRADE, VERSION, Edge, Site, head, send
from .smuggling import FORGED, SOCKET, VARIANTS, Variant

RECORDER = Path(__file__).with_name("recorder")
LISTEN_SECONDS = 3.0
"""How long an attempt waits for what is answered; the slow answer behind which requests are hidden takes 0.2 s."""

APART_SECONDS = 0.1
"""Between the head of an attempt and its body, so that they are two packets: less than the slow answer takes."""

AT_ONCE = 10.0
"""Seconds within which a handshake is answered, accepted or refused; the fault that this is about took 15."""

SERVERS = {"uvicorn": "UVICORN_IMAGE", "gunicorn": "UVICORN_IMAGE", "daphne": "DAPHNE_IMAGE"}


@dataclass
class Place:
    """An edge in front of one kind of server, and the application that records."""

    edge: Edge
    applications: dict[str, Container]

    def records(self) -> list[dict]:
        """What reached the application, and the service in which it did."""
        found = []
        for service, container in self.applications.items():
            lines = [line for line in container.output().splitlines() if line.startswith('{"recorded"')]
            found += [{**json.loads(line), "service": service} for line in lines]
        return found


@pytest.fixture(scope="module", params=SERVERS)
def place(request, edge_image, redis_image, certificate) -> Iterator[Place]:
    """Edge, http and ws on one server, Redis."""
    server = request.param
    yard = Yard(f"{RUN}-smuggling-{server}")
    docker("network", "create", yard.name)
    try:
        site = Site(yard, edge_image, "", certificate)
        options = ["--save", "", "--dir", "/tmp", "--protected-mode", "no"]
        yard.start(
            redis_image, "redis-server", *options, flags=["--network-alias=redis", "--tmpfs=/tmp:mode=1777"]
        )
        names = {service: _application(yard, server, service) for service in ("http", "ws")}
        yield Place(site.edge(), names)
    finally:
        if request.session.testsfailed:
            for container in yard.containers:
                print(f"--- {container.name}\n{container.logs()[-4000:]}")
        yard.remove()


def _application(yard: Yard, server: str, service: str) -> Container:
    """`channels-stack serve SERVICE` on SERVER, with the application that records."""
    environment = {
        "APP_SETTINGS": "recorder.settings",
        "APP_ASGI": "recorder.asgi:application",
        "APP_OVERLAY": "off",
        "PYTHONPATH": "/srv/tests",
        "SECRET_KEY": "k7f3-only-for-tests-" * 4,
        "DATABASE_URL": "sqlite://:memory:",
        "REDIS_URL": "redis://redis:6379/0",
        "SERVER_HTTP": server,
        "SERVER_WS": server,
        "HTTP_PROCESSES": "1",
    }
    flags = [
        f"--network-alias={service}",
        "--workdir=/tmp",
        "--tmpfs=/tmp:mode=1777",
        f"--volume={RECORDER}:/srv/tests/recorder:ro",
        *(f"--env={name}={value}" for name, value in environment.items()),
    ]
    return yard.start(given(SERVERS[server]), "channels-stack", "serve", service, flags=flags)


@pytest.fixture(scope="module")
def outcome(place) -> list[dict]:
    """Everything that reached the application while all attempts ran, with a visitor behind each."""

    def attempt(number: int, variant: Variant) -> None:
        for apart in (False, True):
            if variant.stream:
                _http2(place.edge, number, variant, apart)
            else:
                _http1(place.edge, variant.data.replace(b"{path}", _path(number).encode()), apart)
        _visit(place.edge, number)

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        attempts = [pool.submit(attempt, *each) for each in enumerate(VARIANTS.values())]
        for each in attempts:
            each.result()
    visitors = [f"/visitor/{number}" for number in range(len(VARIANTS))]

    def recorded() -> list[dict]:
        """All, once each visitor has a page and a handshake in it."""
        records = place.records()
        count = Counter(each["path"] for each in records)
        return records if all(count[path] == 2 for path in visitors) else []

    return wait_for(recorded, "every visitor is recorded")


def _path(number: int) -> str:
    return f"/attempt/{number}"


def _http1(edge: Edge, data: bytes, apart: bool) -> None:
    """Send DATA, its body a moment after the head or together with it, and listen until the edge closes, or for a while."""
    head, end, body = data.partition(b"\r\n\r\n")
    try:
        with edge.connect(timeout=5) as link:
            for part in (head + end, body) if apart else (data,):
                send(link, part)
                _listen(
                    link, APART_SECONDS if apart and part is not body else LISTEN_SECONDS, lambda data: None
                )
    except (OSError, ssl.SSLError):
        pass  # the edge has closed under what was still being sent


def _listen(link: ssl.SSLSocket, seconds: float, take: Callable[[bytes], None]) -> None:
    """Hand what comes within SECONDS to TAKE. Raises ConnectionError where the edge closes."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        link.settimeout(left)
        try:
            more = link.recv(65536)
        except TimeoutError:
            return
        if not more:
            raise ConnectionError("closed")
        take(more)


def _visit(edge: Edge, number: int) -> None:
    """A page and a handshake of somebody else, with a cookie of their own."""
    cookie = f"Cookie: visitor={number}"
    edge.get(f"/visitor/{number}", cookie)
    with edge.upgrade(
        f"/visitor/{number}", headers=UPGRADE + KEY + VERSION + cookie.encode() + b"\r\n"
    ) as link:
        head(link)


def _http2(edge: Edge, number: int, variant: Variant, apart: bool) -> None:
    """One stream on a connection of its own, sent without the checks of the client's library."""
    config = h2.config.H2Configuration(
        validate_outbound_headers=False, normalize_outbound_headers=False, header_encoding=None
    )
    client = h2.connection.H2Connection(config)
    path = _path(number).encode()
    headers = [(name, value.replace(b"{path}", path)) for name, value in variant.stream]
    try:
        with edge.connect(alpn="h2", timeout=5) as link:

            def take(data: bytes) -> None:
                client.receive_data(data)
                link.sendall(client.data_to_send())

            client.initiate_connection()
            client.send_headers(1, headers, end_stream=not (variant.body or _is_connect(variant)))
            if apart:
                link.sendall(client.data_to_send())
                _listen(link, APART_SECONDS, take)
            if variant.body:
                client.send_data(1, variant.body, end_stream=not _is_connect(variant))
            link.sendall(client.data_to_send())
            _listen(link, LISTEN_SECONDS, take)
    except (OSError, ssl.SSLError, h2.exceptions.ProtocolError):
        pass  # the edge ended stream or connection


def _is_connect(variant: Variant) -> bool:
    return (b":method", b"CONNECT") in variant.stream


def values(record: dict, name: str) -> list[str]:
    """The values of a header of RECORD."""
    return [value for key, value in record["headers"] if key.lower() == name]


@pytest.mark.parametrize("name", VARIANTS)
def test_what_reaches_the_application(outcome, name):
    number = list(VARIANTS).index(name)
    seen = [
        each
        for each in outcome
        if each["path"].startswith(_path(number) + "/") or each["path"] == _path(number)
    ]
    assert (
        tuple((each["recorded"], each["method"], each["body"].encode("latin-1")) for each in seen)
        == VARIANTS[name].reaches * 2
    )
    for each in seen:
        assert each["service"] == ("ws" if each["recorded"] == SOCKET else "http")
        assert FORGED not in values(each, "x-forwarded-for")
        if each["recorded"] != SOCKET:
            assert values(each, "upgrade") == values(each, "connection") == []


def test_no_request_but_those_that_the_edge_has_seen(outcome):
    for each in outcome:
        assert len(values(each, "x-request-id")) == 1 and values(each, "x-request-id") != [FORGED], each
        assert each["client"] != FORGED, each
        assert not values(each, "x-edge-worker"), "the secret by which an edge ends its sockets"
    hidden = [each for each in outcome if each["path"] == "/hidden"]
    assert all(values(each, "x-forwarded-for") != [FORGED] for each in hidden)


def test_visitors_are_themselves(outcome):
    for number in range(len(VARIANTS)):
        its = [each for each in outcome if each["path"] == f"/visitor/{number}"]
        assert sorted(each["recorded"] for each in its) == ["http", "websocket"], its
        assert all(values(each, "cookie") == [f"visitor={number}"] for each in its), its


# --- Limits of the edge are no larger than those behind it -----------------------------------------


@pytest.mark.parametrize("size", [8_100, 9_000, 11_500], ids="{} bytes".format)
def test_a_handshake_with_cookies_up_to_the_limit_of_the_edge(place, size):
    begun = time.monotonic()
    cookie = b"Cookie: x=" + b"a" * size + b"\r\n"
    with place.edge.upgrade("/cookies", headers=UPGRADE + KEY + VERSION + cookie) as link:
        assert head(link).status == 101
    assert time.monotonic() - begun < AT_ONCE


def test_a_handshake_with_an_address_and_cookies_up_to_the_limits_of_the_edge(place):
    begun = time.monotonic()
    path = "/long?" + "a" * 8_000
    cookie = b"Cookie: x=" + b"a" * 11_500 + b"\r\n"
    with place.edge.upgrade(path, headers=UPGRADE + KEY + VERSION + cookie) as link:
        assert head(link).status == 101
    assert time.monotonic() - begun < AT_ONCE


def test_a_page_with_an_address_and_cookies_up_to_the_limits_of_the_edge(place):
    answer = place.edge.get("/long?" + "a" * 8_000, "Cookie: x=" + "a" * 11_500)
    assert answer.status == 200


@pytest.mark.parametrize("count", [90], ids="{} headers".format)
def test_a_handshake_with_as_many_headers_as_the_edge_lets_through(place, count):
    more = b"".join(b"X-%d: a\r\n" % number for number in range(count))
    with place.edge.upgrade("/many", headers=UPGRADE + KEY + VERSION + more) as link:
        assert head(link).status == 101


def test_more_than_the_edge_takes_is_refused_at_once(place):
    begun = time.monotonic()
    cookie = b"Cookie: x=" + b"a" * 12_500 + b"\r\n"
    with place.edge.upgrade("/cookies", headers=UPGRADE + KEY + VERSION + cookie) as link:
        assert head(link).status == 431
    assert time.monotonic() - begun < AT_ONCE


# --- Without the edge: whoever stands in the network of the application ----------------------------


def ask(container: Container, data: bytes, seconds: float = 5) -> bytes:
    """Everything that the application's port 8000 answers to DATA until it closes, or for SECONDS."""
    address = next(iter(container.inspect()["NetworkSettings"]["Networks"].values()))["IPAddress"]
    answer = b""
    with socket.create_connection((address, 8000), timeout=seconds) as link:
        link.sendall(data)
        try:
            while more := link.recv(65536):
                answer += more
        except (TimeoutError, ConnectionError):
            pass
    return answer


def test_ws_serves_no_pages(place):
    answer = ask(
        place.applications["ws"], b"GET /page HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert not [each for each in place.records() if each["path"] == "/page"]


@pytest.mark.parametrize("service", ["http", "ws"])
def test_a_request_that_asks_for_another_protocol_is_the_last_of_its_connection(place, service):
    hidden = b"GET /after HTTP/1.1\r\nHost: localhost\r\n\r\n"
    data = (
        b"GET /before HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket, foo\r\nConnection: Upgrade\r\n"
        b"Content-Length: %d\r\n\r\n" % len(hidden) + hidden
    )
    answer = ask(place.applications[service], data)
    assert answer.count(b"HTTP/1.1 ") == 1, answer
    assert not [each for each in place.records() if each["path"] == "/after"]
