"""images/edge behind something else: a CDN, a load balancer, a proxy on this host (docs/how-to/in-front.md).

The visitor is whoever the trusted hops say, as far as they can know it; what anybody else sends has no effect.
"""

from __future__ import annotations

import socket
import ssl

import pytest

from .conftest import Container, docker, wait_for
from .edges import (
    KEY,
    UPGRADE,
    VERSION,
    Answer,
    Edge,
    Site,
    client,
    frame,
    head,
    parse,
    read_frame,
    receive,
    request,
    send,
)

VISITOR = "203.0.113.7"


@pytest.fixture(scope="module")
def believing(site: Site, backends: dict[str, Container]) -> Edge:
    """An edge that believes this machine and one more network, and nobody else."""
    return site.edge(EDGE_TRUSTED_HOPS="host 198.51.100.0/24 2001:db8:cd::/48")


@pytest.fixture(scope="module")
def doubting(site: Site, backends: dict[str, Container]) -> Edge:
    """An edge that believes others, not this machine."""
    return site.edge(EDGE_TRUSTED_HOPS="198.51.100.0/24")


LISTS = {
    "one address": (["203.0.113.7"], VISITOR),
    "a forged beginning": (["6.6.6.6, 203.0.113.7"], VISITOR),
    "two hops": (["203.0.113.7, 198.51.100.9"], VISITOR),
    "three hops, one of another family": (["203.0.113.7,2001:db8:cd::1 , 198.51.100.9"], VISITOR),
    "two hops and a forged beginning": (["6.6.6.6, 203.0.113.7, 198.51.100.9"], VISITOR),
    "two lines": (["6.6.6.6", "203.0.113.7, 198.51.100.9"], VISITOR),
    "a hop in the forged part": (["198.51.100.1, 203.0.113.7"], VISITOR),
    "a visitor among the hops": (["198.51.100.1, 198.51.100.2"], "198.51.100.1"),
    "with a port": (["203.0.113.7:4711"], VISITOR),
    "IPv6": (["2001:db8::7"], "2001:db8::7"),
    "IPv6 with a port": (["[2001:db8::7]:4711"], "2001:db8::7"),
    "IPv6 in brackets": (["[2001:db8::7]"], "2001:db8::7"),
    "IPv4 as IPv6": (["::ffff:203.0.113.7"], VISITOR),
}


@pytest.mark.parametrize("case", LISTS)
def test_from_the_right_the_first_that_is_no_hop(believing, case):
    lines, address = LISTS[case]
    answer = believing.get("/echo", *(f"X-Forwarded-For: {line}" for line in lines))
    assert client(answer) == address


SAYS_NOTHING = [
    "",
    "unknown",
    "6.6.6.6, unknown",
    "6.6.6.6, ",
    "localhost",
    "dead:beef",
    "1:2:3:4:5:6:7:8:9",
    "1::2::3",
    ":::",
    "2001:db8::12345",
    "::1%lo",
    "2001:db8::/32",
    "203.0.113.7/8",
    "203.0.113",
    "3405803783",
    "[203.0.113.7",
    "203.0.113.777",
    "203.0.113.7 203.0.113.8",
    "fe80::1%eth0",
    '"203.0.113.7"',
    "for=203.0.113.7",
    "_hidden",
    "1" * 4000,
]


@pytest.mark.parametrize("value", SAYS_NOTHING)
def test_where_the_hop_has_written_no_address_the_hop_is_all_we_know(believing, gateway, value):
    assert client(believing.get("/echo", f"X-Forwarded-For: {value}")) == gateway


def test_a_hop_that_wrote_none_hands_on_no_forged_one(believing):
    """The element in the middle is of a hop: what stands left of it proves nothing."""
    assert client(believing.get("/echo", "X-Forwarded-For: 6.6.6.6, unknown, 198.51.100.9")) == "198.51.100.9"


def test_without_the_header_the_hop_is_all_we_know(believing, gateway):
    assert client(believing.get("/echo")) == gateway


@pytest.mark.parametrize("port", ["https", "http"])
def test_a_stranger_has_no_effect(doubting, gateway, port):
    headers = [f"X-Forwarded-For: {VISITOR}", "X-Forwarded-Proto: https"]
    if port == "https":
        answer = doubting.get("/echo", *headers)
        assert client(answer) == gateway
        assert answer.seen("x-forwarded-proto") == ["https"]
    else:
        answer = doubting.plain(request("/echo", *headers))
        assert (answer.status, answer.header("location")) == (308, "https://localhost:8443/echo")


def test_a_stranger_with_the_proxy_protocol_is_no_visitor(doubting):
    assert doubting.plain(f"PROXY TCP4 {VISITOR} 10.0.0.1 1 2\r\n".encode() + request()).status == 400
    with socket.create_connection(("127.0.0.1", doubting.https), timeout=5) as link:
        link.sendall(f"PROXY TCP4 {VISITOR} 10.0.0.1 1 2\r\n".encode())
        with pytest.raises(ssl.SSLError):
            ssl._create_unverified_context().wrap_socket(link)


def test_the_log_has_the_visitor(believing):
    believing.get("/log/who", f"X-Forwarded-For: 6.6.6.6, {VISITOR}")
    assert believing.log("/log/who")[0]["client"] == VISITOR


def test_one_connection_of_a_hop_brings_many_visitors(believing):
    with believing.connect() as link:
        for address in ("203.0.113.1", "203.0.113.2"):
            link.sendall(
                f"GET /echo HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {address}\r\n\r\n".encode()
            )
            answer = head(link)
            length = int(answer.header("content-length"))
            while len(answer.body) < length:
                answer.body += link.recv(length - len(answer.body))
            assert client(answer) == address


def test_a_websocket_has_its_visitor(believing):
    forwarded = f"X-Forwarded-For: {VISITOR}\r\n".encode()
    with believing.upgrade("/socket/who", headers=UPGRADE + KEY + VERSION + forwarded) as link:
        assert head(link).status == 101
        link.sendall(frame(b"hello"))
        assert read_frame(link) == b"hello"
    assert believing.log("/socket/who")[0]["client"] == VISITOR


def test_another_header_may_be_named(site, backends, gateway):
    edge = site.edge(EDGE_TRUSTED_HOPS="host", EDGE_CLIENT_FROM="CF-Connecting-IP")
    assert client(edge.get("/echo", f"CF-Connecting-IP: {VISITOR}", "X-Forwarded-For: 6.6.6.6")) == VISITOR
    assert client(edge.get("/echo", "X-Forwarded-For: 6.6.6.6")) == gateway


def test_limits_are_the_visitors_and_not_the_hops(site, backends):
    edge = site.edge(EDGE_TRUSTED_HOPS="host", EDGE_REQUESTS_PER_10S="5")

    def status(address: str) -> int:
        return edge.get("/echo", f"X-Forwarded-For: 6.6.6.6, {address}").status

    assert [status("203.0.113.1") for _ in range(5)] == [200] * 5
    assert status("203.0.113.1") == 429
    assert [status(f"203.0.113.{number}") for number in range(2, 40)] == [200] * 38


def test_a_flood_is_the_visitors_and_not_the_hops(site, backends):
    """The hop's connection goes on for others."""
    edge = site.edge(EDGE_TRUSTED_HOPS="host", EDGE_REQUESTS_PER_10S="1", EDGE_FLOOD_PER_10S="19")

    def status(link: ssl.SSLSocket, address: str, path: str) -> int:
        link.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {address}\r\n\r\n".encode())
        answer = head(link)
        length = int(answer.header("content-length"))
        while length:
            length -= len(link.recv(length))
        return answer.status

    with edge.connect() as link:
        assert [status(link, "203.0.113.1", "/-/metrics") for _ in range(20)] == [404] * 20
        assert status(link, "203.0.113.1", "/echo") == 429
        assert status(link, "203.0.113.2", "/echo") == 200


def test_connections_at_once_are_counted_by_visitor(site, backends):
    edge = site.edge(EDGE_TRUSTED_HOPS="host", EDGE_CONNECTIONS_PER_ADDRESS="2")

    def socket_of(address: str) -> ssl.SSLSocket:
        forwarded = f"X-Forwarded-For: {address}\r\n".encode()
        return edge.upgrade(headers=UPGRADE + KEY + VERSION + forwarded)

    links = [socket_of(address) for address in ("203.0.113.1", "203.0.113.1", "203.0.113.2")]
    assert [head(link).status for link in links] == [101] * 3
    links += [socket_of("203.0.113.1"), socket_of("203.0.113.2")]
    assert [head(link).status for link in links[3:]] == [429, 101]
    for link in links:
        link.close()


@pytest.mark.parametrize("said", ["https", "HTTPS", "wss", "http, https"])
def test_what_came_to_the_hop_over_tls_is_served(believing, said):
    answer = believing.plain(request("/echo", f"X-Forwarded-For: {VISITOR}", f"X-Forwarded-Proto: {said}"))
    assert client(answer) == VISITOR
    assert answer.seen("x-forwarded-proto") == ["https"]
    assert answer.seen("x-forwarded-port") == ["443"]
    assert answer.header("strict-transport-security")


@pytest.mark.parametrize("said", ["http", "ws", "https, http", "", "ftp"])
def test_what_did_not_is_redirected(believing, said):
    answer = believing.plain(request("/echo", f"X-Forwarded-Proto: {said}"))
    assert (answer.status, answer.header("location")) == (308, "https://localhost:8443/echo")


def test_the_hop_is_asked_on_the_port_with_tls_too(believing):
    assert believing.get("/echo", "X-Forwarded-Proto: http").status == 308
    assert believing.get("/echo").status == 200


def test_a_websocket_over_plain_http(believing):
    handshake = (
        b"GET /ws HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Proto: https\r\n" + UPGRADE + KEY + VERSION
    )
    with socket.create_connection(("127.0.0.1", believing.http), timeout=10) as link:
        link.sendall(handshake + b"\r\n")
        assert head(link).status == 101
        link.sendall(frame(b"hello"))
        assert read_frame(link) == b"hello"


@pytest.mark.parametrize("path", ["/-/ready", "/a/../b"])
def test_the_rules_of_the_site_hold_on_the_plain_port(believing, path):
    assert believing.plain(request(path, "X-Forwarded-Proto: https")).status in (400, 404)


@pytest.mark.parametrize("said", [[], ["X-Forwarded-Proto: http"]])
def test_all_is_secure_where_that_is_said(site, backends, said):
    edge = site.edge(EDGE_TRUSTED_HOPS="host", EDGE_TLS_IN_FRONT="true")
    answer = edge.plain(request("/echo", *said))
    assert answer.status == 200
    assert answer.seen("x-forwarded-proto") == ["https"]


def test_visitors_are_sent_to_the_port_that_they_see(site, backends):
    edge = site.edge(HTTPS_PORT="8443", PUBLIC_PORT="443", EDGE_TRUSTED_HOPS="host")
    assert edge.plain(request("/a?b")).header("location") == "https://localhost/a?b"
    assert edge.get("/echo", host="localhost:8443").status == 200


@pytest.fixture(scope="module")
def told(site: Site, backends: dict[str, Container]) -> Edge:
    """An edge to which this machine says by the PROXY protocol who comes."""
    edge = site.edge(wait=False, EDGE_TRUSTED_HOPS="host", EDGE_CLIENT_FROM="proxy-protocol")
    wait_for(lambda: by_proxy(edge, VISITOR, request()).status == 200, "the edge found the backends")
    return edge


def by_proxy(edge: Edge, address: str, data: bytes) -> Answer:
    """Send DATA over TLS in a connection that is for ADDRESS."""
    with socket.create_connection(("127.0.0.1", edge.https), timeout=10) as link:
        family = "TCP6" if ":" in address else "TCP4"
        link.sendall(f"PROXY {family} {address} {address} 4711 443\r\n".encode())
        with ssl._create_unverified_context().wrap_socket(link, server_hostname="localhost") as secure:
            send(secure, data)
            return parse(receive(secure))


@pytest.mark.parametrize("address", [VISITOR, "2001:db8::7"])
def test_the_proxy_protocol_says_who_comes(told, address):
    path = f"/proxy/{address}"
    assert client(by_proxy(told, address, request(path, "X-Forwarded-For: 6.6.6.6"))) == address
    assert told.log(path)[0]["client"] == address


def test_a_header_is_the_visitors_own_there(told):
    """A balancer that speaks the PROXY protocol hands on what the visitor has written."""
    proxied = f"PROXY TCP4 {VISITOR} 10.0.0.1 1 80\r\n".encode()
    assert told.plain(proxied + request("/echo", "X-Forwarded-Proto: https")).status == 308
    assert by_proxy(told, VISITOR, request("/echo", "X-Forwarded-Proto: http")).status == 200


def test_a_connection_of_the_hop_without_it_is_closed(told):
    assert told.plain(request()).status in (0, 400)


def test_its_own_health_check_needs_none(told):
    assert told.container.health() == "healthy"


def test_plain_http_behind_the_proxy_protocol(site, backends):
    edge = site.edge(
        wait=False, EDGE_TRUSTED_HOPS="host", EDGE_CLIENT_FROM="proxy-protocol", EDGE_TLS_IN_FRONT="true"
    )
    proxied = f"PROXY TCP4 {VISITOR} 10.0.0.1 1 80\r\n".encode() + request()
    wait_for(lambda: edge.plain(proxied).status == 200, "the edge found the backends")
    assert client(edge.plain(proxied)) == VISITOR


def test_limits_are_the_visitors_by_the_proxy_protocol_too(site, backends):
    edge = site.edge(
        wait=False,
        EDGE_TRUSTED_HOPS="host",
        EDGE_CLIENT_FROM="proxy-protocol",
        EDGE_REQUESTS_PER_10S="5",
    )
    wait_for(lambda: by_proxy(edge, "198.51.100.1", request("/-/edge")).status == 200, "an edge")
    assert [by_proxy(edge, "203.0.113.1", request()).status for _ in range(6)][-1] == 429
    assert by_proxy(edge, "203.0.113.2", request()).status != 429


def test_a_flood_is_cut_by_the_proxy_protocol_too(site, backends):
    edge = site.edge(
        wait=False,
        EDGE_TRUSTED_HOPS="host",
        EDGE_CLIENT_FROM="proxy-protocol",
        EDGE_REQUESTS_PER_10S="1",
        EDGE_FLOOD_PER_10S="19",
    )
    wait_for(lambda: by_proxy(edge, "198.51.100.1", request()).status == 200, "the edge found the backends")
    many = b"GET /-/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 40
    assert by_proxy(edge, "203.0.113.1", many).body.count(b"HTTP/1.1 404") == 19, (
        "the 21st is cut, without an answer"
    )
    assert by_proxy(edge, "203.0.113.1", request()).status == 0
    assert by_proxy(edge, "203.0.113.2", request()).status == 200


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"EDGE_TRUSTED_HOPS": "10.0.0.1/8 proxy.example none"}, ["10.0.0.1/8", "proxy.example", "'none'"]),
        ({"EDGE_TRUSTED_HOPS": "10.0.0.0/8", "EDGE_CLIENT_FROM": "Forwarded"}, ["EDGE_CLIENT_FROM"]),
        ({"EDGE_TRUSTED_HOPS": "10.0.0.0/8", "EDGE_CLIENT_FROM": "x forwarded for"}, ["EDGE_CLIENT_FROM"]),
        (
            {"EDGE_CLIENT_FROM": "proxy-protocol", "EDGE_TLS_IN_FRONT": "true"},
            ["CLIENT_FROM", "TLS_IN_FRONT"],
        ),
        ({"EDGE_TRUSTED_HOPS": "host", "EDGE_TLS_IN_FRONT": "yes"}, ["neither true nor false: yes"]),
        ({"PUBLIC_PORT": "https"}, ["PUBLIC_PORT is 'https'"]),
    ],
)
def test_settings_that_make_no_sense_are_refused(edge_image, certificate, settings, said):
    flags = [f"--env={name}={value}" for name, value in settings.items()]
    where = ["--network=none", f"--volume={certificate}:/etc/edge:ro"]
    done = docker("run", "--rm", *where, *flags, edge_image, "edge", "check", check=False)
    assert done.returncode == 78
    for text in said:
        assert text in done.stderr
    assert len(done.stderr.splitlines()) == max(len(said), 1), done.stderr


@pytest.mark.parametrize("source", ["x-forwarded-for", "proxy-protocol"])
def test_every_way_is_valid_without_a_warning(edge_image, certificate, source):
    settings = {"EDGE_TRUSTED_HOPS": "10.0.0.0/8 fd00::/8", "EDGE_CLIENT_FROM": source}
    flags = [f"--env={name}={value}" for name, value in settings.items()]
    command = ["haproxy", "-c", "-V", "-f", "/etc/haproxy/haproxy.cfg"]
    done = docker("run", "--rm", *flags, f"--volume={certificate}:/etc/edge:ro", edge_image, *command)
    assert "WARNING" not in done.stderr
