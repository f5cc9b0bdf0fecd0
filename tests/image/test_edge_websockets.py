"""Handshakes and tunnels through the edge. Table 3b of the faults page."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from .edges import KEY, UPGRADE, VERSION, frame, head, read_frame

PAGES = Path(__file__).resolve().parents[2] / "images" / "edge" / "pages"
HASHED = "/static/app.0123abcd.js"


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
