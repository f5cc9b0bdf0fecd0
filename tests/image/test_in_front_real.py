"""Real proxies in front of the edge, configured as docs/how-to/in-front.md says."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.ports import free_port

from .conftest import Container, Yard, docker, made, wait_for
from .edges import (
    KEY,
    UPGRADE,
    VERSION,
    Answer,
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

DOCS = Path(__file__).resolve().parents[2] / "docs/how-to/in-front.md"


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
