"""The edge and requests: what is malformed stops there, what is slow is cut. Table 3a of the faults page."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from .edges import head, parse, receive

PAGES = Path(__file__).resolve().parents[2] / "images" / "edge" / "pages"
HASHED = "/static/app.0123abcd.js"


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
