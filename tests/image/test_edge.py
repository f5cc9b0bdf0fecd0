"""images/edge: every rule of haproxy.cfg, against a real HAProxy with real TLS and real servers behind it."""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import struct
import subprocess
from pathlib import Path

import pytest

from .conftest import docker, wait_for
from .edges import head, receive

PAGES = Path(__file__).resolve().parents[2] / "images" / "edge" / "pages"
HASHED = "/static/app.0123abcd.js"


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
    code = "503" if page.stem == "maintenance" else page.stem
    assert f"<title>{code} " in text
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


# --- Log and metrics ------------------------------------------------------------------------------


def test_the_log_shows_a_request(edge):
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


def test_the_log_shows_a_websocket(edge):
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
