"""images/edge behind something else: a CDN, a load balancer, a proxy on this host (docs/how-to/in-front.md).

The visitor is whoever the trusted hops say, as far as they can know it; what anybody else sends has no effect.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.ports import free_port

from .conftest import Container, Yard, docker, made, wait_for
from .edges import KEY, UPGRADE, VERSION, Answer, Edge, Site, frame, head, parse, read_frame, receive, send

DOCS = Path(__file__).resolve().parents[2] / "docs/how-to/in-front.md"
VISITOR = "203.0.113.7"


def block(kind: str) -> str:
    """The example of this KIND in the document."""
    (text,) = re.findall(rf"^```{kind}\n(.*?)^```$", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    return text


def replaced(text: str, *pairs: tuple[str, str]) -> str:
    """TEXT with other words, each of which has to stand in it."""
    for old, new in pairs:
        assert old in text, f"the document says {old} no longer"
        text = text.replace(old, new)
    return text


def request(path: str = "/echo", *headers: str, host: str = "localhost") -> bytes:
    """A GET that ends its connection."""
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def client(answer: Answer) -> str:
    """Who the application thinks has come."""
    assert answer.status == 200, answer
    (address,) = answer.seen("x-forwarded-for")
    return address


@pytest.fixture(scope="module")
def gateway(yard: Yard) -> str:
    """This machine's address as containers see it."""
    return docker("network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", yard.name).stdout.strip()


# --- A header: this machine is the hop -------------------------------------------------------------


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


# --- TLS ends in front -----------------------------------------------------------------------------


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


# --- The PROXY protocol ----------------------------------------------------------------------------


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


# --- What makes no sense ---------------------------------------------------------------------------


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


# --- Real ones, as the document says ---------------------------------------------------------------


def to_tls(port: int, source: str = "127.0.0.1") -> ssl.SSLSocket:
    """A connection to a server on this machine, from the address SOURCE."""
    link = socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0))
    return ssl._create_unverified_context().wrap_socket(link, server_hostname="localhost")


def over_tls(port: int, data: bytes, source: str = "127.0.0.1") -> Answer:
    """Send DATA to it, return the answer."""
    with to_tls(port, source) as link:
        send(link, data)
        return parse(receive(link))


def echoes(port: int, path: str, source: str = "127.0.0.1") -> bool:
    """Whether a websocket goes through to the application and back."""
    with to_tls(port, source) as link:
        handshake = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n".encode() + UPGRADE + KEY + VERSION
        link.sendall(handshake + b"\r\n")
        if head(link).status != 101:
            return False
        link.sendall(frame(b"hello"))
        return read_frame(link) == b"hello"


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory, certificate: Path) -> Path:
    """A folder for the configuration of what stands in front, with a certificate."""
    folder = tmp_path_factory.mktemp("front")
    folder.chmod(0o755)
    (folder / "tls.pem").write_bytes((certificate / "tls.pem").read_bytes())
    (folder / "tls.pem").chmod(0o444)
    return folder


NGINX = """
daemon off; pid /tmp/nginx.pid; error_log stderr; worker_processes 1;
events {}
http {
    access_log off; resolver 127.0.0.11 valid=1s;
    client_body_temp_path /tmp/body; proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi; uwsgi_temp_path /tmp/uwsgi; scgi_temp_path /tmp/scgi;
    %s
}
"""
HERE = [
    ("/etc/letsencrypt/live/example.org/fullchain.pem", "/etc/front/tls.pem"),
    ("/etc/letsencrypt/live/example.org/privkey.pem", "/etc/front/tls.pem"),
]


@pytest.fixture(scope="module")
def on_this_host(site: Site, yard: Yard, backends: dict[str, Container], front: Path) -> Iterator[tuple]:
    """nginx on this machine as the document has it, in front of an edge on 127.0.0.1: its two ports and the edge."""
    edge = site.edge(PUBLIC_PORT="443", EDGE_TRUSTED_HOPS="host")
    plain, secure = free_port(), free_port()
    text = replaced(
        block("nginx"),
        ("listen 80;", f"listen 127.0.0.1:{plain};"),
        ("listen 443 ssl;", f"listen 127.0.0.1:{secure} ssl;"),
        ("http://127.0.0.1:8080", f"http://127.0.0.1:{edge.http}"),
        *HERE,
    )
    (front / "nginx.conf").write_text(NGINX % text)
    name = f"{yard.name}-nginx"
    yard.containers.append(Container(name))
    docker(
        *("run", "--detach", f"--name={name}", "--network=host", "--read-only", "--tmpfs=/tmp:mode=1777"),
        *(f"--volume={front}:/etc/front:ro", made("nginx")),
    )
    wait_for(lambda: _listens(secure), "nginx listens")
    return plain, secure, edge


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def test_nginx_on_this_host(on_this_host):
    plain, secure, edge = on_this_host
    for address in ("127.0.0.2", "127.0.0.3"):
        answer = over_tls(secure, request("/nginx", "X-Forwarded-For: 6.6.6.6"), address)
        assert client(answer) == address
        assert answer.seen("x-forwarded-proto") == ["https"]
        assert answer.seen("x-forwarded-port") == ["443"]
    assert {line["client"] for line in edge.log("/nginx", 2)} == {"127.0.0.2", "127.0.0.3"}
    assert echoes(secure, "/nginx/ws", "127.0.0.4")
    assert edge.log("/nginx/ws")[0]["client"] == "127.0.0.4"
    with socket.create_connection(("127.0.0.1", plain), timeout=10) as link:
        send(link, request("/a"))
        answer = parse(receive(link))
    assert (answer.status, answer.header("location")) == (308, "https://localhost/a"), "and no loop"


def test_nginx_as_a_cdn_that_comes_over_tls(site, yard, backends, front, gateway):
    """Another machine's: it is known by its address alone."""
    text = replaced(
        block("nginx"),
        ("listen 80;", "listen 8080;"),
        ("listen 443 ssl;", "listen 8443 ssl;"),
        ("http://127.0.0.1:8080;", "$edge;"),
        ("location / {", "set $edge https://behind-cdn:8443;\n    location / {"),
        *HERE,
    )
    (front / "cdn.conf").write_text(NGINX % text)
    flags = ["--publish=127.0.0.1::8443", "--publish=127.0.0.1::8080", "--tmpfs=/tmp:mode=1777"]
    flags.append(f"--volume={front}:/etc/front:ro")
    cdn = yard.start(made("nginx"), "nginx", "-c", "/etc/front/cdn.conf", flags=flags)
    edge = site.edge(
        flags=["--network-alias=behind-cdn"], EDGE_TRUSTED_HOPS=address_of(cdn, yard), PUBLIC_PORT="443"
    )
    answer = over_tls(cdn.port(8443), request("/cdn", "X-Forwarded-For: 6.6.6.6"))
    assert client(answer) == gateway
    assert edge.log("/cdn")[0]["client"] == gateway
    with socket.create_connection(("127.0.0.1", cdn.port(8080)), timeout=10) as link:
        send(link, request("/a", "X-Forwarded-Proto: https"))
        assert parse(receive(link)).status == 308, "it says http, whatever the visitor wrote"
    assert client(edge.get("/echo", "X-Forwarded-For: 6.6.6.6")) == gateway, "past the CDN nobody is believed"


def address_of(container: Container, yard: Yard) -> str:
    """Where the other containers find it."""
    return container.inspect()["NetworkSettings"]["Networks"][yard.name]["IPAddress"]


def test_haproxy_as_a_load_balancer(site, yard, backends, front, gateway, edge_image):
    """Real HAProxy, as the document has it, in front of two edges."""
    text = replaced(
        block("haproxy"),
        ("bind :443", "bind :8443"),
        ("bind :80\n", "bind :8080\n"),
        *((f"192.0.2.1{number}:443", f"behind-lb-{number}:8443") for number in (1, 2)),
        *((f"192.0.2.1{number}:80", f"behind-lb-{number}:8080") for number in (1, 2)),
        ("default-server ", "default-server resolvers docker init-addr none "),
    )
    begin = "defaults\n timeout client 100s\n timeout server 100s\n timeout connect 2s\n"
    begin += "resolvers docker\n nameserver docker 127.0.0.11:53\n hold valid 1s\n"
    (front / "haproxy.cfg").write_text(begin + text)
    balancer = yard.start(
        edge_image,
        "haproxy",
        "-f",
        "/etc/front/haproxy.cfg",
        flags=[
            "--no-healthcheck",
            "--publish=127.0.0.1::8443",
            "--publish=127.0.0.1::8080",
            f"--volume={front}:/etc/front:ro",
        ],
    )
    hops = {"EDGE_TRUSTED_HOPS": address_of(balancer, yard), "EDGE_CLIENT_FROM": "proxy-protocol"}
    edges = [
        site.edge(flags=[f"--network-alias=behind-lb-{number}"], **hops) for number in (1, 2)
    ]  # `site.edge` comes past it, as a stranger: it is served, and needs no PROXY protocol

    def asked(path: str) -> Answer:
        try:
            return over_tls(balancer.port(8443), request(path, "X-Forwarded-For: 6.6.6.6"))
        except OSError:
            return Answer(0, [], b"")

    def came(path: str) -> list[str]:
        lines = [
            line for edge in edges for line in edge.container.output().splitlines() if f'"{path}"' in line
        ]
        return [re.search(r'"client":"([^"]+)"', line.replace(" ", ""))[1] for line in lines]

    wait_for(lambda: asked("/lb/first").status == 200, "the balancer found the edges")
    assert client(asked("/lb")) == gateway
    assert echoes(balancer.port(8443), "/lb/ws")
    wait_for(lambda: came("/lb") and came("/lb/ws"), "both in the logs")
    assert {*came("/lb"), *came("/lb/ws")} == {gateway}

    def redirected() -> str | None:
        with socket.create_connection(("127.0.0.1", balancer.port(8080)), timeout=10) as link:
            send(link, request("/a"))
            return parse(receive(link)).header("location")

    wait_for(lambda: redirected() == "https://localhost:8443/a", "plain HTTP is redirected")

    edges[0].container.run("edge", "drain")
    edges[1].container.run("edge", "drain")
    wait_for(
        lambda: asked("/lb/gone").status == 0, "the balancer's health check sees that no edge wants visitors"
    )
