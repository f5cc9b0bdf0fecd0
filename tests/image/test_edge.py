"""images/edge: every rule of haproxy.cfg, against a real HAProxy with real TLS and real servers behind it."""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Container, docker, wait_for
from .edges import KEY, UPGRADE, VERSION, Edge, Site, frame, head, parse, read_frame, receive

PAGES = Path(__file__).resolve().parents[2] / "images" / "edge" / "pages"
HASHED = "/static/app.0123abcd.js"


# --- What runs ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def edge(site: Site, backends: dict[str, Container]) -> Edge:
    """An edge with the default settings, apart from the limits per address."""
    return site.edge()


@pytest.fixture(scope="module")
def hasty(site: Site, backends: dict[str, Container]) -> Edge:
    """An edge with short times, to see each of them run out."""
    return site.edge(
        EDGE_REQUEST_TIMEOUT="1s",
        EDGE_CLIENT_TIMEOUT="1s",
        EDGE_STREAM_TIMEOUT="3s",
        EDGE_HANDSHAKE_TIMEOUT="2s",
        EDGE_TUNNEL_TIMEOUT="3s",
    )


@pytest.fixture(scope="module")
def seen(site: Site, backends: dict[str, Container]):
    """A function: how many requests reached the application with this method and path."""

    def count(method: str, path: str) -> int:
        counters = [json.loads(site.control(backend, "/control/seen")) for backend in backends.values()]
        return sum(counter.get(f"{method} {path}", 0) for counter in counters)

    return count


# --- Configuration --------------------------------------------------------------------------------


def check(image: str, certificate: Path | None, **settings: str) -> subprocess.CompletedProcess[str]:
    """HAProxy's own check of the configuration."""
    flags = [f"--env={name}={value}" for name, value in settings.items()]
    if certificate:
        flags.append(f"--volume={certificate}:/etc/edge:ro")
    return docker(
        "run",
        "--rm",
        "--read-only",
        *flags,
        image,
        "haproxy",
        "-c",
        "-V",
        "-f",
        "/etc/haproxy/haproxy.cfg",
        check=False,
    )


def test_the_configuration_is_valid_without_a_warning(edge_image, certificate):
    done = check(edge_image, certificate)
    assert done.returncode == 0, done.stderr
    assert "Configuration file is valid" in done.stdout + done.stderr
    assert "WARNING" not in done.stderr


OFF = dict.fromkeys(
    ("EDGE_REQUESTS_PER_10S", "EDGE_HANDSHAKES_PER_10S", "EDGE_CONNECTIONS_PER_ADDRESS", "EDGE_HSTS_SECONDS"),
    "0",
)


def test_every_option_switched_off_is_valid(edge_image, certificate):
    done = check(edge_image, certificate, **OFF, EDGE_UPGRADE_INSECURE="false", HTTPS_PORT="443")
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EDGE_UPGRADE_INSECURE", "ture"),
        ("EDGE_MAX_BODY_BYTES", "8k"),
        ("EDGE_STREAM_TIMEOUT", "5x"),
        ("EDGE_REQUESTS_PER_10S", "many"),
        ("HTTP_SLOTS", "ten"),
        ("EDGE_MAXCONN", "20k"),
        ("DOMAINS", ""),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(edge_image, certificate, name, value):
    done = check(edge_image, certificate, **{name: value})
    assert done.returncode != 0
    assert "haproxy.cfg:" in done.stderr, done.stderr


def test_a_missing_certificate_is_refused_by_name(edge_image):
    done = check(edge_image, None)
    assert done.returncode != 0
    assert "/etc/edge/tls.pem" in done.stderr


@pytest.mark.parametrize("page", sorted(PAGES.glob("*.html")), ids=lambda page: page.stem)
def test_error_pages_are_short_and_say_their_code(page):
    text = page.read_text()
    assert len(text) < 1000
    assert f"<title>{page.stem} " in text
    assert "<script" not in text


# --- The container --------------------------------------------------------------------------------


def test_it_runs_as_a_number_without_capabilities(edge):
    assert edge.container.inspect()["Config"]["User"] == "10001:10001"
    status = edge.container.run("cat", "/proc/self/status").stdout
    assert re.search(r"^Uid:\t10001\t10001", status, re.MULTILINE)
    assert re.search(r"^CapEff:\t0+$", status, re.MULTILINE)


def test_another_command_runs_untouched(edge_image):
    assert docker("run", "--rm", edge_image, "bash", "-c", "echo $((6 * 7))").stdout == "42\n"


def test_the_health_check_needs_no_application(site):
    edge = site.edge(wait=False, HTTP_SLOTS="1", WS_SLOTS="1", EDGE_RESOLVER="127.0.0.1:9")
    assert edge.container.health() == "healthy"
    assert edge.get("/").status == 503


def test_the_health_check_fails_when_the_process_hangs(site):
    edge = site.edge(wait=False)
    probe = edge.container.inspect()["Config"]["Healthcheck"]["Test"]
    assert probe[0] == "CMD"
    worker = edge.container.run(
        "bash", "-c", "for p in /proc/[0-9]*; do echo ${p#/proc/} $(tr '\\0' ' ' < $p/cmdline); done"
    ).stdout
    pids = [line.split()[0] for line in worker.splitlines() if " haproxy -" in line]
    edge.container.run("bash", "-c", f"kill -STOP {' '.join(pids)}", user="10001")
    try:
        assert edge.container.run(*probe[1:], check=False).returncode != 0
    finally:
        edge.container.run("bash", "-c", f"kill -CONT {' '.join(pids)}", user="10001")
    assert edge.container.run(*probe[1:], check=False).returncode == 0


@pytest.mark.parametrize("host", ["localhost", "10.0.0.7", "unknown.test"])
def test_the_health_page_is_for_load_balancers_by_whatever_name(edge, host):
    assert (edge.get("/-/edge", host=host).status, edge.get("/-/edge", host=host).body) == (200, b"edge\n")
    asked = f"GET /-/edge HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    assert edge.plain(asked.encode()).status == 200
    assert "/-/edge" not in edge.whole_output(), "its requests would fill the log"


def test_a_stop_without_visitors_is_quick(site):
    code, seconds = site.edge(wait=False).container.stop()
    assert code == 0
    assert seconds < 3


# --- TLS and redirect -----------------------------------------------------------------------------


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_versions_of_today(edge, version):
    with edge.connect(versions=version) as link:
        assert (
            link.version() == {ssl.TLSVersion.TLSv1_2: "TLSv1.2", ssl.TLSVersion.TLSv1_3: "TLSv1.3"}[version]
        )


@pytest.mark.parametrize(("version", "number"), [("1.0", b"\x03\x01"), ("1.1", b"\x03\x02")])
def test_older_tls_is_refused(edge, version, number):
    """A hand-made ClientHello, because OpenSSL itself no longer sends one."""
    ciphers = b"\xc0\x13\xc0\x14\x00\x2f\x00\x35"
    extensions = b"\x00\x0a\x00\x04\x00\x02\x00\x17" + b"\x00\x0b\x00\x02\x01\x00"
    body = number + os.urandom(32) + b"\0" + struct.pack(">H", len(ciphers)) + ciphers + b"\x01\0"
    body += struct.pack(">H", len(extensions)) + extensions
    hello = b"\x01" + len(body).to_bytes(3, "big") + body
    with socket.create_connection(("127.0.0.1", edge.https), timeout=5) as link:
        link.sendall(b"\x16\x03\x01" + struct.pack(">H", len(hello)) + hello)
        answer = link.recv(7)
    assert answer[0] == 0x15, f"TLS {version}: an alert, not a handshake"
    assert answer[6] in (40, 70), "handshake_failure or protocol_version"


def test_http2_is_offered_first(edge):
    with edge.connect(alpn="h2") as link:
        assert link.selected_alpn_protocol() == "h2"


def test_plain_http_moves_to_https_with_its_port(edge):
    answer = edge.plain(
        b"POST /a/b?c=d HTTP/1.1\r\nHost: localhost:80\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
    assert answer.status == 308
    assert answer.header("location") == "https://localhost:8443/a/b?c=d"


@pytest.mark.parametrize(
    ("name", "status"),
    [("localhost", 101), ("a.localhost", 101), ("example.test", 308), ("localhost.test", 308)],
)
def test_a_handshake_without_tls_is_for_names_of_the_visitors_own_machine(site, name, status):
    """Where browsers leave the `ws://` of a page alone: upgrade-insecure-requests passes over these names."""
    edge = site.edge(DOMAINS="localhost a.localhost example.test localhost.test")
    ask = (
        f"GET /ws/ HTTP/1.1\r\nHost: {name}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", edge.http), timeout=10) as link:
        link.sendall(ask.encode())
        assert link.recv(65536).split()[1] == str(status).encode()
    page = edge.plain(f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
    assert page.status == 308


def test_the_usual_port_is_left_out(site):
    answer = site.edge(wait=False, HTTPS_PORT="443").plain(
        b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    assert answer.header("location") == "https://localhost/"


def test_an_unknown_host_is_not_redirected(edge):
    assert edge.plain(b"GET / HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n").status == 421


def test_tls_on_the_plain_port_is_refused(edge):
    assert edge.plain(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"a" * 500).status == 400


# --- Bad input: table 3a of the faults page -------------------------------------------------------


def request(
    line: str = "GET {path} HTTP/1.1",
    host: bytes = b"Host: localhost\r\n",
    more: bytes = b"",
    body: bytes = b"",
) -> bytes:
    """A request for the path that the test gives, so that it can be looked for in the application."""
    return line.encode("latin-1") + b"\r\n" + host + more + b"Connection: close\r\n\r\n" + body


POST = "POST {path} HTTP/1.1"
CHUNKED = b"Transfer-Encoding: chunked\r\n"

BAD = {
    "no host": (request(host=b""), {400}),
    "no host, HTTP/1.0": (request("GET {path} HTTP/1.0", host=b""), {400}),
    "two hosts": (request(host=b"Host: localhost\r\nHost: other.test\r\n"), {400}),
    "unknown host": (request(host=b"Host: evil.test\r\n"), {421}),
    "suffix of a host": (request(host=b"Host: evil-localhost\r\n"), {421}),
    "host with another port": (request(host=b"Host: localhost:1234\r\n"), {421}),
    "host with user": (request(host=b"Host: localhost@evil.test\r\n"), {400}),
    "host that is not ASCII": (request(host=b"Host: loc\xffalhost\r\n"), {400}),
    "absolute form of another host": (request("GET https://evil.test{path} HTTP/1.1"), {400}),
    "two lengths": (request(POST, more=b"Content-Length: 5\r\nContent-Length: 6\r\n", body=b"hello!"), {400}),
    "length +1": (request(POST, more=b"Content-Length: +1\r\n", body=b"h"), {400}),
    "length -1": (request(POST, more=b"Content-Length: -1\r\n", body=b"h"), {400}),
    "xchunked": (request(POST, more=b"Transfer-Encoding: xchunked\r\n", body=b"0\r\n\r\n"), {400}),
    "chunked twice": (request(POST, more=CHUNKED + CHUNKED, body=b"0\r\n\r\n"), {400}),
    "chunk 0x5": (request(POST, more=CHUNKED, body=b"0x5\r\nhello\r\n0\r\n\r\n"), {400}),
    "chunk 1_0": (request(POST, more=CHUNKED, body=b"1_0\r\n0123456789abcdef\r\n0\r\n\r\n"), {400}),
    "bare LF in a chunk": (request(POST, more=CHUNKED, body=b"5\nhello\n0\n\n"), {400}),
    "space before colon": (request(more=b"X-A : b\r\n"), {400}),
    "NUL in a header": (request(more=b"X-A: b\0c\r\n"), {400}),
    "bare CR in a header": (request(more=b"X-A: b\rc\r\n"), {400}),
    "header name not ASCII": (request(more="X-ä: b\r\n".encode()), {400}),
    "header of 13 KB": (request(more=b"X-A: " + b"a" * 13_000 + b"\r\n"), {431}),
    # A head that does not fit HAProxy's buffer is refused before any rule could choose the code.
    "header of 100 KB": (request(more=b"X-A: " + b"a" * 100_000 + b"\r\n"), {400, 431}),
    "2000 headers": (request(more=b"".join(b"X-%d: a\r\n" % number for number in range(2000))), {431}),
    "address of 10 KB": (request("GET {path}?" + "a" * 10_000 + " HTTP/1.1"), {414}),
    "address of 100 KB": (request("GET {path}?" + "a" * 100_000 + " HTTP/1.1"), {400, 414}),
    "path not ASCII": (request("GET {path}/\xe4 HTTP/1.1"), {400}),
    "NUL in the path": (request("GET {path}%00 HTTP/1.1"), {400}),
    "..%2f": (request("GET {path}/..%2f..%2fetc/passwd HTTP/1.1"), {400}),
    "dot segments": (request("GET {path}/../x HTTP/1.1"), {400}),
    "backslash dot segments": (request("GET {path}/..\\x HTTP/1.1"), {400}),
    "asterisk": (request("OPTIONS * HTTP/1.1"), {400}),
    "HTTP/9.9": (request("GET {path} HTTP/9.9"), {400, 505}),
    "HTTP/2.0 in text": (request("GET {path} HTTP/2.0"), {400, 505}),
    "HTTP/0.9": (b"GET {path}\r\n", {400}),
    "TRACE": (request("TRACE {path} HTTP/1.1"), {405}),
    "CONNECT": (request("CONNECT localhost:443 HTTP/1.1", host=b"Host: localhost:443\r\n"), {405}),
    "unknown method": (request("BREW {path} HTTP/1.1"), {405}),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_requests_stop_here(edge, seen, case):
    data, statuses = BAD[case]
    path = f"/bad/{list(BAD).index(case)}"
    answer = edge.raw(data.replace(b"{path}", path.encode()))
    assert answer.status in statuses
    assert answer.body.count(b"HTTP/1.") == 0, "one answer, then the end"
    assert seen(data.split()[0].decode(), path) == 0


# HAProxy repairs these three instead of refusing them, as RFC 9112 allows. What counts is that edge and
# application cannot disagree about where a request ends: the application gets one clean form.
REPAIRED = {
    "length and chunked": request(
        POST, more=b"Content-Length: 3\r\n" + CHUNKED, body=b"5\r\nhello\r\n0\r\n\r\n"
    ),
    "bare LF lines": request(more=b"X-A: b\r\n").replace(b"\r\n", b"\n"),
    "folded header": request(more=b"X-A: b\r\n c\r\n"),
}


@pytest.mark.parametrize("case", REPAIRED)
def test_repaired_requests_reach_the_application_in_one_form(edge, case):
    answer = edge.raw(REPAIRED[case].replace(b"{path}", b"/echo"))
    assert answer.status == 200
    assert answer.body.count(b"HTTP/1.") == 0
    if case == "length and chunked":
        assert answer.seen("content-length") == []
        assert answer.echo["body"] == 5
    if case == "folded header":
        assert len(answer.seen("x-a")) == 1
        assert "\n" not in answer.seen("x-a")[0]


def test_a_smuggled_second_request_never_reaches_the_application(edge, seen):
    """What stands behind the chunked body is not a request, since the connection ends there."""
    hidden = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
    first = request(
        POST, more=b"Content-Length: %d\r\n" % (len(hidden) + 5) + CHUNKED, body=b"0\r\n\r\n" + hidden
    )
    edge.raw(first.replace(b"{path}", b"/echo"))
    assert seen("GET", "/smuggled") == 0


@pytest.mark.parametrize(
    "path",
    [
        "/-/ready",
        "/-/live",
        "/-/metrics",
        "/-/leave",
        "/-",
        "//-/ready",
        "/%2d/ready",
        "/%2D/ready",
        "/-%2fready",
        "/%2F-/ready",
        "/\\-/ready",
        "/./-/ready",
        "/%2e/-/ready",
        "/a/../-/ready",
        "https://localhost/-/ready",
    ],
)
def test_probes_are_not_reachable(edge, path):
    answer = edge.get(path)
    assert answer.status in (400, 404)
    assert b"answered by the edge" in answer.body


@pytest.mark.parametrize("path", ["/-x", "/a/-/b", "/a%20b/", "/a//b", "/%E4%B8%AD"])
def test_usual_paths_arrive_as_they_were_sent(edge, path):
    assert edge.get(path).echo["target"] == path


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost:8443", "other.test"])
def test_known_hosts_arrive_as_they_were_sent(edge, host):
    assert edge.get("/echo", host=host).seen("host") == [host]


@pytest.mark.parametrize("expect", [b"", b"Expect: 100-continue\r\n"], ids=["at once", "after 100-continue"])
def test_a_body_over_the_limit_is_refused_before_it_is_sent(edge, seen, expect):
    with edge.connect(timeout=2) as link:
        link.sendall(request("POST /too-large HTTP/1.1", more=b"Content-Length: 10485761\r\n" + expect))
        assert head(link).status == 413
    assert seen("POST", "/too-large") == 0


def chunks(size: int) -> bytes:
    """A chunked body."""
    return (b"2710\r\n" + b"a" * 10_000 + b"\r\n") * (size // 10_000) + b"0\r\n\r\n"


def test_a_chunked_body_within_the_limit_arrives(edge):
    assert (
        edge.raw(request("POST /echo HTTP/1.1", more=CHUNKED, body=chunks(500_000))).echo["body"] == 500_000
    )


def test_a_chunked_body_over_the_limit_is_broken_off(site, backends):
    edge = site.edge(EDGE_MAX_BODY_BYTES="1000000")
    answer = edge.raw(request("POST /echo HTTP/1.1", more=CHUNKED, body=chunks(2_000_000)))
    assert answer.status == 413
    assert b"413 Too large" in answer.body
    (entry,) = [line for line in edge.log("/echo") if line["status"] == 413]
    assert entry["bytes_in"] < 1_200_000


def test_a_body_within_the_limit_arrives(edge):
    answer = edge.get("/echo", "Expect: 100-continue", method="POST", body=b"a" * 100_000)
    if answer.status == 100:
        answer = parse(answer.body)
    assert answer.echo["body"] == 100_000


# --- Times ----------------------------------------------------------------------------------------


def ends_within(link: socket.socket, seconds: float) -> tuple[bytes, float]:
    """Read to the end of the connection; return what came and how long it took."""
    link.settimeout(seconds)
    begin = time.monotonic()
    return receive(link), time.monotonic() - begin


def test_a_slow_head_is_cut(hasty):
    with hasty.connect() as link:
        link.sendall(b"GET / HTTP/1.1\r\nHost: local")
        data, _ = ends_within(link, 4)
    assert parse(data).status == 408


def test_a_slow_body_is_cut_before_the_application_sees_it(hasty, seen):
    with hasty.connect() as link:
        link.sendall(b"POST /slow-body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf")
        data, _ = ends_within(link, 4)
    assert parse(data).status == 408
    assert seen("POST", "/slow-body") == 0


def test_a_silent_tls_client_is_cut(hasty):
    with socket.create_connection(("127.0.0.1", hasty.https)) as link:
        data, _ = ends_within(link, 4)
    assert data == b""


def test_an_application_that_does_not_answer_is_504(hasty):
    answer = hasty.get("/wait?30")
    assert answer.status == 504
    assert b"may still finish" in answer.body


def test_a_stream_outlives_the_client_timeout(hasty):
    """2 s of silence inside an answer, with a client timeout of 1 s; and no event waits for the next."""
    with hasty.connect() as link:
        link.sendall(b"GET /stream?2 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert head(link).status == 200
        first = link.recv(100)
        assert b"data: first" in first and b"data: last" not in first
        assert b"data: last" in receive(link)


# --- What the application sees and what the user sees ---------------------------------------------


FORGED = [
    "X-Forwarded-For: 6.6.6.6",
    "X-Forwarded-For: 7.7.7.7",
    "X-Forwarded-Proto: http",
    "X-Forwarded-Host: evil.test",
    "X-Forwarded-Port: 1",
    "X-Forwarded-Server: evil",
    "X-Forwarded-Prefix: /evil",
    "X-Forwarded-Anything: evil",
    "Forwarded: for=6.6.6.6",
    "X-Real-IP: 6.6.6.6",
    "X-Edge-Worker: evil",
    "Daphne-Root-Path: /evil",
    "X-Request-ID: forged",
    "Proxy: evil",
    "X_Forwarded_For: 6.6.6.6",
    "X_Real_IP: 6.6.6.6",
    "Daphne_Root_Path: /evil",
    "X-Script-Name: /evil",
    "Upgrade: h2c",
]


def test_forged_headers_have_no_effect(edge):
    answer = edge.get("/echo", *FORGED)
    (client,) = answer.seen("x-forwarded-for")
    assert socket.inet_aton(client)
    assert client not in ("6.6.6.6", "7.7.7.7")
    assert answer.seen("x-forwarded-proto") == ["https"]
    assert answer.seen("x-request-id") == [answer.header("x-request-id")]
    assert answer.seen("x-forwarded-port") == ["443"]
    allowed = {
        "host",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-port",
        "x-request-id",
        "connection",
    }
    assert {name.lower() for name, _ in answer.echo["headers"]} <= allowed


@pytest.mark.parametrize(("host", "port"), [("localhost", "443"), ("localhost:8443", "8443")])
def test_the_port_is_the_one_that_the_browser_named(edge, host, port):
    assert edge.get("/echo", host=host).seen("x-forwarded-port") == [port]


def test_usual_headers_pass(edge):
    answer = edge.get(
        "/echo",
        "Cookie: a=b",
        "Authorization: Bearer x",
        "Accept-Language: fi",
        "X-CSRFToken: t",
        "Origin: null",
    )
    for name, value in {
        "cookie": "a=b",
        "authorization": "Bearer x",
        "x-csrftoken": "t",
        "origin": "null",
    }.items():
        assert answer.seen(name) == [value]


def test_each_request_has_its_own_id(edge):
    assert edge.get("/echo").header("x-request-id") != edge.get("/echo").header("x-request-id")


SECURITY = {
    "strict-transport-security": "max-age=31536000",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "strict-origin-when-cross-origin",
    "cross-origin-opener-policy": "same-origin",
    "content-security-policy": "upgrade-insecure-requests",
}

ANSWERS = {
    "the application's 200": ("/echo", "GET", 200),
    "the application's 404": ("/status/404", "GET", 404),
    "the application's 500": ("/status/500", "GET", 500),
    "our 404": ("/-/live", "GET", 404),
    "our 405": ("/", "TRACE", 405),
    "our 502": ("/break/page", "POST", 502),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_every_answer_has_the_security_headers(edge, case):
    path, method, status = ANSWERS[case]
    answer = edge.get(path, method=method)
    assert answer.status == status
    assert {name: answer.header(name) for name in SECURITY} == SECURITY
    assert answer.header("permissions-policy")
    assert answer.header("x-request-id")
    assert answer.header("server") is None
    assert answer.header("x-powered-by") is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Frame-Options", "SAMEORIGIN"),
        ("Referrer-Policy", "same-origin"),
        ("Cross-Origin-Opener-Policy", "unsafe-none"),
        ("Strict-Transport-Security", "max-age=60"),
        ("Permissions-Policy", "camera=()"),
    ],
)
def test_the_application_has_the_last_word(edge, name, value):
    assert edge.get(f"/reply?{name}={value.replace('=', '%3D')}").header(name) == value


DECIDED = ["x-content-type-options", "referrer-policy", "cross-origin-opener-policy", "x-frame-options"]


@pytest.mark.parametrize("silent", DECIDED)
def test_what_the_application_has_left_out_on_purpose_stays_out(edge, silent):
    answer = edge.get(f"/reply?X-Edge-Decided=referrer,{silent},x")
    assert {name for name in DECIDED if answer.header(name) is None} == {silent}
    assert answer.header("x-edge-decided") is None, "between application and edge alone"


def test_a_decision_is_no_silence_for_the_next_answer(edge):
    edge.get(f"/reply?X-Edge-Decided={','.join(DECIDED)}")
    assert all(edge.get("/echo").header(name) for name in DECIDED)


def test_a_visitor_decides_on_nothing(edge):
    answer = edge.get("/echo", f"X-Edge-Decided: {','.join(DECIDED)}")
    assert all(answer.header(name) for name in DECIDED)


def test_a_policy_without_upgrade_gets_it_beside(edge):
    answer = edge.get("/reply?Content-Security-Policy=default-src%20'self'")
    assert sorted(answer.all("content-security-policy")) == [
        "default-src 'self'",
        "upgrade-insecure-requests",
    ]


def test_a_policy_with_upgrade_stays_alone(edge):
    policy = "default-src 'self'; upgrade-insecure-requests"
    assert (
        edge.get(f"/reply?Content-Security-Policy={policy.replace(' ', '%20')}").header(
            "content-security-policy"
        )
        == policy
    )


def test_frame_ancestors_makes_the_old_header_needless(edge):
    assert edge.get("/reply?Content-Security-Policy=frame-ancestors%20*").header("x-frame-options") is None


def test_hsts_and_upgrade_can_be_switched_off(site, backends):
    answer = site.edge(EDGE_HSTS_SECONDS="0", EDGE_UPGRADE_INSECURE="false").get("/echo")
    assert answer.header("strict-transport-security") is None
    assert answer.header("content-security-policy") is None


def test_503_says_when_to_come_back(site):
    answer = site.edge(wait=False, EDGE_RESOLVER="127.0.0.1:9").get("/")
    assert answer.status == 503
    assert answer.header("retry-after") == "5"
    assert answer.header("cache-control") == "no-store"
    assert b"Nothing was changed" in answer.body


def test_head_has_no_body(edge):
    answer = edge.get("/-/live", method="HEAD")
    assert (answer.status, answer.body) == (404, b"")


# --- Cache ----------------------------------------------------------------------------------------


def test_a_hashed_file_is_asked_for_once(edge, seen):
    assert edge.get(HASHED).header("x-cache") == "miss"
    again = edge.get(HASHED)
    assert again.header("x-cache") == "hit"
    assert again.status == 200
    assert again.header("strict-transport-security")
    assert seen("GET", HASHED) == 1


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_part_of_a_cached_file_comes_from_the_application(edge, seen, method):
    """HAProxy's cache knows whole files only, and Safari plays no film from a server that ignores Range."""
    path = f"/static/film-{method.lower()}.0123abcd.mp4"
    assert [edge.get(path).header("x-cache") for _ in range(2)] == ["miss", "hit"]
    before = seen(method, path)
    answer = edge.get(path, "Range: bytes=0-1", method=method)
    assert answer.header("x-cache") == "miss"
    assert seen(method, path) == before + 1
    assert edge.get(path).header("x-cache") == "hit", "the whole file is still there"


def test_a_file_without_a_hash_is_asked_for_each_time(edge, seen):
    for _ in range(2):
        assert edge.get("/static/plain.js").header("x-cache") == "miss"
    assert seen("GET", "/static/plain.js") == 2


def test_pages_are_never_cached(edge):
    assert edge.get("/reply?Cache-Control=public,%20max-age%3D600,%20immutable").header("x-cache") is None


# --- Websockets: table 3b -------------------------------------------------------------------------

SHORT = b"Sec-WebSocket-Key: abc\r\n"
HANDSHAKES = {
    "no key": (b"GET", UPGRADE + VERSION, 400),
    "short key": (b"GET", UPGRADE + VERSION + SHORT, 400),
    "version 8": (b"GET", UPGRADE + KEY + b"Sec-WebSocket-Version: 8\r\n", 426),
    "no version": (b"GET", UPGRADE + KEY, 426),
    "POST": (b"POST", UPGRADE + KEY + VERSION, 405),
    "no Connection: Upgrade": (b"GET", b"Upgrade: websocket\r\n" + KEY + VERSION, 400),
}


@pytest.mark.parametrize("case", HANDSHAKES)
def test_bad_handshakes_stop_here(edge, seen, case):
    method, headers, status = HANDSHAKES[case]
    path = f"/bad-handshake/{status}"
    with edge.connect() as link:
        link.sendall(method + f" {path} HTTP/1.1\r\nHost: localhost\r\n".encode() + headers + b"\r\n")
        answer = head(link)
    assert answer.status == status
    if status == 426:
        assert answer.header("sec-websocket-version") == "13"
    assert seen(method.decode(), path) == 0


def test_a_websocket_goes_to_ws_and_back(edge):
    with edge.upgrade("/any/path", headers=UPGRADE + KEY + VERSION + b"Origin: null\r\n") as link:
        answer = head(link)
        assert answer.status == 101
        assert answer.header("sec-websocket-accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        assert answer.header("x-name") in ("ws-a", "ws-b")
        link.sendall(frame(b"hello"))
        assert read_frame(link) == b"hello"


def test_pages_go_to_http(edge):
    assert {edge.get("/echo").echo["name"] for _ in range(10)} == {"http-a", "http-b"}


def test_a_full_replica_is_answered_with_its_503(edge):
    with edge.upgrade("/full") as link:
        answer = head(link)
    assert answer.status == 503
    assert answer.header("retry-after") == "7"


def test_a_handshake_without_answer_is_cut(hasty):
    """By EDGE_HANDSHAKE_TIMEOUT alone: EDGE_CLIENT_TIMEOUT, which is shorter here, is not for one who only waits."""
    with hasty.upgrade("/never") as link:
        assert head(link).status == 504


def test_a_dead_tunnel_is_cut_and_a_pinged_one_lives(hasty):
    """Silence for EDGE_TUNNEL_TIMEOUT ends it; pings keep it, beyond the times of handshake and client."""
    with hasty.upgrade() as dead, hasty.upgrade() as alive:
        assert head(dead).status == head(alive).status == 101
        begin = time.monotonic()
        for _ in range(60):
            dead.settimeout(1)
            alive.sendall(frame(b"", opcode=9))
            assert alive.recv(2) == b"\x8a\x00"
            try:
                if dead.recv(1) == b"":
                    break
            except TimeoutError:
                continue
        assert 2.5 < time.monotonic() - begin < 30
        alive.sendall(frame(b"alive"))
        assert read_frame(alive) == b"alive"


def test_sockets_are_spread_over_the_replicas(edge):
    links = [edge.upgrade() for _ in range(4)]
    names = sorted(head(link).header("x-name") for link in links)
    for link in links:
        link.close()
    assert names == ["ws-a", "ws-a", "ws-b", "ws-b"]


def http2_frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """One HTTP/2 frame."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def literal(name: str, value: str) -> bytes:
    """A header field in HPACK, literal without indexing."""
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def test_a_websocket_over_http2(edge):
    """RFC 8441, as browsers do it when a page of the site is open: extended CONNECT, frames as DATA."""
    with edge.connect(alpn="h2") as link:
        link.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + http2_frame(4, 0, 0, b""))
        fields = {
            ":method": "CONNECT",
            ":protocol": "websocket",
            ":scheme": "https",
            ":path": "/ws",
            ":authority": "localhost",
            "sec-websocket-version": "13",
        }
        link.sendall(http2_frame(1, 4, 1, b"".join(literal(name, value) for name, value in fields.items())))
        stream = link.makefile("rb")
        status, data = b"", b""
        while b"over h2" not in data:
            header = stream.read(9)
            assert len(header) == 9, "the edge closed the connection"
            payload = stream.read(int.from_bytes(header[:3], "big"))
            if header[3] == 4 and not header[4]:
                assert b"\0\x08\0\0\0\x01" in payload, "SETTINGS_ENABLE_CONNECT_PROTOCOL"
            if header[3] == 1:
                status = payload[:1]
                link.sendall(http2_frame(0, 0, 1, frame(b"over h2")))
            if header[3] == 0:
                data += payload
        assert status == b"\x88", ":status 200"


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
    failures: list[str] = []
    count = [0] * 4
    over = threading.Event()

    def visit(number: int) -> None:
        link = None
        while not over.is_set():
            try:
                link = link or edge.connect()
                link.sendall(b"GET /status/200 HTTP/1.1\r\nHost: localhost\r\n\r\n")
                answer = head(link)
                size, body = int(answer.header("content-length") or 0), 0
                while body < size:
                    body += len(link.recv(size - body)) or size
                if answer.status != 200:
                    failures.append(f"{answer.status}")
                    link = None
            except OSError as error:
                failures.append(repr(error))
                link = None
            count[number] += 1

    visitors = [threading.Thread(target=visit, args=(number,)) for number in range(len(count))]
    for visitor in visitors:
        visitor.start()
    for end in (["stop", "--time=5"], ["kill"]):
        docker(*end, victim.name)
        before = sum(count)
        wait_for(lambda before=before: sum(count) > before + 200, "visits go on without it", 20)
        docker("start", victim.name)
        wait_for(lambda: edge.get("/echo").echo["name"] == "http-victim", "the victim serves again")
    over.set()
    for visitor in visitors:
        visitor.join()
    assert sum(count) > 400
    assert failures == []


# --- Limits per address ---------------------------------------------------------------------------


def test_too_many_requests_are_told_so(site, backends):
    edge = site.edge(wait=False, EDGE_REQUESTS_PER_10S="20")
    answers = [edge.get("/status/200") for _ in range(25)]
    assert [answer.status for answer in answers[:15]].count(429) == 0
    assert answers[-1].status == 429
    assert answers[-1].header("retry-after") == "10"
    assert answers[-1].header("strict-transport-security")


def test_too_many_handshakes_are_told_so_and_pages_go_on(site, backends):
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


def test_too_many_connections_are_told_so_then_cut(site, backends):
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


# --- Log and metrics ------------------------------------------------------------------------------


def test_the_log_tells_a_request(edge):
    answer = edge.get("/status/404?token=secret", 'User-Agent: "quoted" \\ ü')
    entries = wait_for(
        lambda: [
            each
            for each in edge.log("/status/404")  # of another test, too
            if each["request_id"] == answer.header("x-request-id")
        ],
        "the log tells the request by its id",
    )
    (entry,) = entries
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", entry["time"])
    assert socket.inet_aton(entry["client"])
    expected = {
        "event": "request",
        "host": "localhost",
        "method": "GET",
        "status": 404,
        "backend": "http",
        "termination": "--",
        "websocket": False,
        "tls": "TLSv1.3",
        "version": "HTTP/1.1",
        "retries": 0,
    }
    assert {name: entry[name] for name in expected} == expected
    assert entry["server"].startswith("http")
    for name in ("request_ms", "queue_ms", "connect_ms", "response_ms", "total_ms", "bytes", "bytes_in"):
        assert isinstance(entry[name], int)
        assert entry[name] >= 0
    assert "secret" not in edge.container.logs()


def test_the_log_tells_a_websocket(edge):
    with edge.upgrade("/ws/logged") as link:
        assert head(link).status == 101
    (entry,) = edge.log("/ws/logged")
    assert (entry["status"], entry["websocket"], entry["backend"]) == (101, True, "ws")


def test_the_log_says_why_there_was_no_request(hasty):
    with socket.create_connection(("127.0.0.1", hasty.https), timeout=10) as link:
        receive(link)  # the edge waits for a handshake, then closes
    with hasty.connect() as link:
        receive(link)  # and for a request

    def errors() -> list[str]:
        lines = [json.loads(line) for line in hasty.container.output().splitlines()]
        return [line["error"] for line in lines if line["event"] == "refused"]

    wait_for(lambda: any("no request came" in error for error in errors()), "the log has it")
    assert "Success" not in errors()


def test_every_line_on_stdout_is_json(edge):
    """Also after hosts, paths and methods made to break it."""
    edge.get('/log?a="b"', host='evil"host\\')
    edge.get('/log/%22%0a%5c/"quoted"', 'Cookie: "\\')
    edge.get("/log/" + '"' * 3000)
    edge.raw(b'BR"EW /log HTTP/1.1\r\nHost: "\xff\r\n\r\n')
    edge.raw(b"\x80\x81\r\n\r\n")
    for line in edge.whole_output().splitlines():
        assert json.loads(line)["event"] in ("request", "refused")


def test_metrics_and_statistics_are_inside_only(edge):
    metrics = edge.container.run("curl", "--silent", "--fail", "http://127.0.0.1:8404/metrics").stdout
    assert 'haproxy_server_status{proxy="ws",server="ws1",state="UP"}' in metrics
    assert (
        "Statistics Report"
        in edge.container.run("curl", "--silent", "--fail", "http://127.0.0.1:8404/").stdout
    )
    address = edge.container.inspect()["NetworkSettings"]["Networks"]
    (network,) = address.values()
    outside = edge.container.run(
        "curl", "--silent", "--max-time", "2", f"http://{network['IPAddress']}:8404/", check=False
    )
    assert outside.returncode == 7, "connection refused"


def test_the_image_says_what_it_is(edge_image):
    image = json.loads(docker("image", "inspect", edge_image).stdout)[0]["Config"]
    for label in ("title", "description", "licenses", "version", "base.name"):
        assert image["Labels"][f"org.opencontainers.image.{label}"]


@pytest.fixture(autouse=True)
def _backends_stay_ready(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that drains a replica must not leave it so for the next, even if it fails."""
    yield
    if "drain" in request.node.name:
        site, backends = request.getfixturevalue("site"), request.getfixturevalue("backends")
        site.control(backends["ws-a"], "/control/ready?200", "POST")
