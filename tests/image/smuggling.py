"""What an attacker sends to the edge, and what of it may reach the application: the table of test_smuggling.py.

Each variant is bytes of HTTP/1, or the headers and body of an HTTP/2 stream; it is sent twice, head and body together and apart.
`{path}` is a path of its own; `HIDDEN` in the bytes is a whole request whose headers claim to come from the edge: where it
reaches the application as it was sent, two parsers disagreed about where a request ends.
"""

from __future__ import annotations

from dataclasses import dataclass, field

FORGED = "203.0.113.66"
"""The client that the hidden request claims; an address that no client of the tests has (RFC 5737)."""

HIDDEN = (
    f"GET /hidden HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {FORGED}\r\nX-Request-ID: {FORGED}\r\n\r\n"
).encode()
SIZE = b"%d" % len(HIDDEN)
"""How long it is, for a Content-Length; in hexadecimal for a chunk:"""
CHUNK = b"%x\r\n" % len(HIDDEN) + HIDDEN + b"\r\n0\r\n\r\n"

PAGE, SOCKET = "http", "websocket"


@dataclass(frozen=True)
class Variant:
    """One attempt. `reaches`: what the application sees of it, as (kind, method, body) in order; nothing: the edge refused it."""

    data: bytes = b""
    stream: list[tuple[bytes, bytes]] = field(default_factory=list)
    """Headers of an HTTP/2 request, in the place of `data`."""
    body: bytes = b""
    """What the HTTP/2 stream sends after its headers."""
    reaches: tuple[tuple[str, str, bytes], ...] = ()


def page(method: str = "GET", body: bytes = b"") -> tuple[tuple[str, str, bytes], ...]:
    """One plain request reaches the application."""
    return ((PAGE, method, body),)


HANDSHAKE = ((SOCKET, "GET", b""),)


def http1(
    *headers: bytes,
    line: bytes = b"GET {path} HTTP/1.1",
    host: bytes = b"Host: localhost",
    body: bytes = b"",
    reaches: tuple[tuple[str, str, bytes], ...] = (),
) -> Variant:
    """An HTTP/1 request, its lines joined as they should be."""
    return Variant(b"\r\n".join([line, host, *headers, b"", body]), reaches=reaches)


POST = b"POST {path} HTTP/1.1"
CHUNKED = b"Transfer-Encoding: chunked"
LENGTH = b"Content-Length: " + SIZE

LENGTHS = {
    "length and chunked": http1(LENGTH, CHUNKED, line=POST, body=b"0\r\n\r\n" + HIDDEN, reaches=page("POST")),
    "chunked and length": http1(CHUNKED, LENGTH, line=POST, body=b"0\r\n\r\n" + HIDDEN, reaches=page("POST")),
    "two lengths": http1(LENGTH, b"Content-Length: 0", line=POST, body=HIDDEN),
    "two equal lengths": http1(LENGTH, LENGTH, line=POST, body=HIDDEN, reaches=page("POST", HIDDEN)),
    "list of equal lengths": http1(
        b"Content-Length: " + SIZE + b", " + SIZE, line=POST, body=HIDDEN, reaches=page("POST", HIDDEN)
    ),
    "list of lengths": http1(b"Content-Length: " + SIZE + b", 0", line=POST, body=HIDDEN),
    "length +1": http1(b"Content-Length: +" + SIZE, line=POST, body=HIDDEN),
    "length -1": http1(b"Content-Length: -1", line=POST, body=HIDDEN),
    "length in hexadecimal": http1(b"Content-Length: 0x10", line=POST, body=HIDDEN),
    "length with a space inside": http1(b"Content-Length: 1 0", line=POST, body=HIDDEN),
    "length with a letter": http1(b"Content-Length: 5a", line=POST, body=HIDDEN),
    "length empty": http1(b"Content-Length: ", line=POST, body=HIDDEN),
    "length over 64 bits": http1(b"Content-Length: 18446744073709551617", line=POST, body=HIDDEN),
    "length with a space before the colon": http1(b"Content-Length : " + SIZE, line=POST, body=HIDDEN),
    "length with an underscore": http1(b"Content_Length: " + SIZE, line=POST, reaches=page("POST")),
    "length folded": http1(
        b"Content-Length:\r\n " + SIZE, line=POST, body=HIDDEN, reaches=page("POST", HIDDEN)
    ),
}

ENCODINGS = {
    "two encodings": http1(CHUNKED, b"Transfer-Encoding: identity", line=POST, body=CHUNK),
    "two encodings, the other way": http1(b"Transfer-Encoding: identity", CHUNKED, line=POST, body=CHUNK),
    "chunked twice": http1(CHUNKED, CHUNKED, line=POST, body=CHUNK),
    "chunked, identity": http1(b"Transfer-Encoding: chunked, identity", line=POST, body=CHUNK),
    "identity, chunked": http1(b"Transfer-Encoding: identity, chunked", line=POST, body=CHUNK),
    "gzip, chunked": http1(b"Transfer-Encoding: gzip, chunked", line=POST, body=CHUNK),
    "xchunked": http1(b"Transfer-Encoding: xchunked", line=POST, body=CHUNK),
    "chunked in quotes": http1(b'Transfer-Encoding: "chunked"', line=POST, body=CHUNK),
    "chunked with a parameter": http1(b"Transfer-Encoding: chunked;q=1", line=POST, body=CHUNK),
    "chunked after a vertical tab": http1(b"Transfer-Encoding: \x0bchunked", LENGTH, line=POST, body=HIDDEN),
    "encoding with a space before the colon": http1(
        b"Transfer-Encoding : chunked", LENGTH, line=POST, body=HIDDEN
    ),
    "encoding with an underscore": http1(
        b"Transfer_Encoding: chunked", LENGTH, line=POST, body=HIDDEN, reaches=page("POST", HIDDEN)
    ),
    "chunked over HTTP/1.0": http1(
        CHUNKED, b"Connection: keep-alive", line=b"POST {path} HTTP/1.0", body=CHUNK
    ),
    "encoding folded": http1(b"Transfer-Encoding:\r\n chunked", LENGTH, line=POST, body=HIDDEN),
}

CHUNKS = {
    "chunk extension": http1(
        CHUNKED, line=POST, body=b"5;a=b\r\nhello\r\n0\r\n\r\n", reaches=page("POST", b"hello")
    ),
    "chunk extension with a bare LF": http1(CHUNKED, line=POST, body=b"5;a\nhello\r\n0\r\n\r\n" + HIDDEN),
    "chunk size with a bare LF": http1(CHUNKED, line=POST, body=b"5\nhello\r\n0\r\n\r\n" + HIDDEN),
    "chunk end with a bare LF": http1(CHUNKED, line=POST, body=b"5\r\nhello\n0\r\n\r\n" + HIDDEN),
    "chunk longer than its size": http1(CHUNKED, line=POST, body=b"3\r\nhello\r\n0\r\n\r\n" + HIDDEN),
    "chunk 0x5": http1(CHUNKED, line=POST, body=b"0x5\r\nhello\r\n0\r\n\r\n" + HIDDEN),
    "chunk 1_0": http1(CHUNKED, line=POST, body=b"1_0\r\n0123456789abcdef\r\n0\r\n\r\n" + HIDDEN),
    "chunk -1": http1(CHUNKED, line=POST, body=b"-1\r\nhello\r\n0\r\n\r\n" + HIDDEN),
    "chunk over 64 bits": http1(CHUNKED, line=POST, body=b"10000000000000005\r\nhello\r\n0\r\n\r\n" + HIDDEN),
    "chunk without a size": http1(CHUNKED, line=POST, body=b"\r\nhello\r\n0\r\n\r\n" + HIDDEN),
    "trailer with a length": http1(
        CHUNKED,
        line=POST,
        body=b"5\r\nhello\r\n0\r\nContent-Length: 5\r\nX-Forwarded-For: " + FORGED.encode() + b"\r\n\r\n",
        reaches=page("POST", b"hello"),
    ),
}

LINES = {
    "bare LF lines": Variant(b"GET {path} HTTP/1.1\nHost: localhost\n\n", reaches=page()),
    "bare LF in one line": http1(b"X-A: b\nX-Forwarded-For: " + FORGED.encode(), reaches=page()),
    "bare CR in a line": http1(b"X-A: b\rX-Forwarded-For: " + FORGED.encode()),
    "CR CR LF": http1(b"X-A: b\r\r"),
    "folded header": http1(b"X-A: b\r\n c", reaches=page()),
    "folded header with a tab": http1(b"X-A: b\r\n\tc", reaches=page()),
    "folded first header": http1(host=b" Host: localhost"),
    "NUL in a header": http1(b"X-A: b\0c"),
    "header name with a space": http1(b"X A: b"),
    "header without a name": http1(b": b"),
    "header without a colon": http1(b"X-A"),
    "header with an underscore": http1(b"X_Forwarded_For: " + FORGED.encode(), reaches=page()),
    "header that Connection names": http1(b"Connection: X-Forwarded-For, X-Request-ID", reaches=page()),
    "length that Connection names": http1(
        b"Connection: Content-Length", LENGTH, line=POST, body=HIDDEN, reaches=page("POST", HIDDEN)
    ),
    "two equal hosts": http1(b"Host: localhost", reaches=page()),
    "two different hosts": http1(b"Host: other.test"),
    "list of hosts": http1(host=b"Host: localhost, other.test"),
    "host with a space before the colon": http1(host=b"Host : localhost"),
    "absolute form": http1(line=b"GET https://localhost{path} HTTP/1.1", reaches=page()),
    "absolute form of another host": http1(line=b"GET https://other.test{path} HTTP/1.1"),
    "absolute form with a user": http1(line=b"GET https://localhost@other.test{path} HTTP/1.1"),
    "two spaces in the first line": http1(line=b"GET  {path} HTTP/1.1", reaches=page()),
    "tab in the first line": http1(line=b"GET\t{path} HTTP/1.1", reaches=page()),
    "version HTTP/1.10": http1(line=b"GET {path} HTTP/1.10"),
    "version http/1.1": http1(line=b"GET {path} http/1.1"),
    "two requests in one packet": Variant(
        b"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2, reaches=page() * 2
    ),
}

BODIES = {
    "body on GET": http1(LENGTH, body=HIDDEN, reaches=page("GET", HIDDEN)),
    "chunked body on GET": http1(CHUNKED, body=CHUNK, reaches=page("GET", HIDDEN)),
    "body on HEAD": http1(LENGTH, line=b"HEAD {path} HTTP/1.1", body=HIDDEN, reaches=page("HEAD", HIDDEN)),
    "body on OPTIONS": http1(
        LENGTH, line=b"OPTIONS {path} HTTP/1.1", body=HIDDEN, reaches=page("OPTIONS", HIDDEN)
    ),
    "chunked body on DELETE": http1(
        CHUNKED, line=b"DELETE {path} HTTP/1.1", body=CHUNK, reaches=page("DELETE", HIDDEN)
    ),
    "body on GET over HTTP/1.0": http1(
        LENGTH, b"Connection: keep-alive", line=b"GET {path} HTTP/1.0", body=HIDDEN
    ),
    "body after 100-continue": http1(
        LENGTH, b"Expect: 100-continue", line=POST, body=HIDDEN, reaches=page("POST", HIDDEN)
    ),
    "body announced twice, behind a slow answer": http1(
        CHUNKED, LENGTH, line=b"POST {path}/slow HTTP/1.1", body=b"0\r\n\r\n" + HIDDEN, reaches=page("POST")
    ),
}

KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
VERSION = b"Sec-WebSocket-Version: 13"
CONNECTION = b"Connection: Upgrade"
UPGRADE = b"Upgrade: websocket"
REST = (KEY, VERSION)

HANDSHAKES = {
    "handshake": http1(UPGRADE, CONNECTION, *REST, reaches=HANDSHAKE),
    "handshake in capitals": http1(b"UPGRADE: WebSocket", CONNECTION, *REST, reaches=HANDSHAKE),
    "handshake of Firefox": http1(UPGRADE, b"Connection: keep-alive, Upgrade", *REST, reaches=HANDSHAKE),
    "handshake with a length of 0": http1(
        UPGRADE, CONNECTION, *REST, b"Content-Length: 0", reaches=HANDSHAKE
    ),
    "handshake in absolute form": http1(
        UPGRADE, CONNECTION, *REST, line=b"GET https://localhost{path} HTTP/1.1", reaches=HANDSHAKE
    ),
    "handshake and more at once": http1(UPGRADE, CONNECTION, *REST, body=HIDDEN, reaches=HANDSHAKE),
    "upgrade list, with a body": http1(
        b"Upgrade: websocket, foo", CONNECTION, *REST, LENGTH, line=b"GET {path}/slow HTTP/1.1", body=HIDDEN
    ),
    "upgrade list, the other way": http1(
        b"Upgrade: foo, websocket", CONNECTION, *REST, LENGTH, line=b"GET {path}/slow HTTP/1.1", body=HIDDEN
    ),
    "upgrade list, POST": http1(
        b"Upgrade: websocket,", CONNECTION, *REST, LENGTH, line=b"POST {path}/slow HTTP/1.1", body=HIDDEN
    ),
    "two upgrades": http1(UPGRADE, b"Upgrade: foo", CONNECTION, *REST, LENGTH, body=HIDDEN),
    "two equal upgrades": http1(UPGRADE, UPGRADE, CONNECTION, *REST, LENGTH, body=HIDDEN),
    "upgrade with a version": http1(b"Upgrade: websocket/13", CONNECTION, *REST, LENGTH, body=HIDDEN),
    "upgrade in quotes": http1(b'Upgrade: "websocket"', CONNECTION, *REST, LENGTH, body=HIDDEN),
    "upgrade folded": http1(b"Upgrade:\r\n websocket,foo", CONNECTION, *REST, LENGTH, body=HIDDEN),
    "upgrade to something else": http1(
        b"Upgrade: h2c",
        b"Connection: Upgrade, HTTP2-Settings",
        b"HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA",
        LENGTH,
        line=POST,
        body=HIDDEN,
        reaches=page("POST", HIDDEN),
    ),
    "upgrade to TLS": http1(
        b"Upgrade: TLS/1.3", CONNECTION, LENGTH, body=HIDDEN, reaches=page("GET", HIDDEN)
    ),
    "upgrade with an underscore": http1(
        b"Up_grade: websocket", CONNECTION, LENGTH, body=HIDDEN, reaches=page("GET", HIDDEN)
    ),
    "handshake with a body": http1(UPGRADE, CONNECTION, *REST, LENGTH, body=HIDDEN),
    "handshake with a chunked body": http1(UPGRADE, CONNECTION, *REST, CHUNKED, body=CHUNK),
    "handshake with an underscore in its length": http1(
        UPGRADE, CONNECTION, *REST, b"Content_Length: " + SIZE, body=HIDDEN, reaches=HANDSHAKE
    ),
    "handshake with Expect": http1(UPGRADE, CONNECTION, *REST, b"Expect: 100-continue", reaches=HANDSHAKE),
    "handshake by POST": http1(UPGRADE, CONNECTION, *REST, LENGTH, line=POST, body=HIDDEN),
    "handshake over HTTP/1.0": http1(UPGRADE, CONNECTION, *REST, line=b"GET {path} HTTP/1.0"),
    "handshake without Connection": http1(UPGRADE, *REST, LENGTH, body=HIDDEN),
    "handshake with Connection: close": http1(UPGRADE, b"Connection: close", *REST),
    "handshake that Connection half names": http1(UPGRADE, b"Connection: xUpgrade", *REST),
    "handshake without a key": http1(UPGRADE, CONNECTION, VERSION),
    "handshake with two keys": http1(UPGRADE, CONNECTION, KEY, *REST),
    "handshake with a list of keys": http1(UPGRADE, CONNECTION, KEY + b", dGhlIHNhbXBsZSBub25jZQ==", VERSION),
    "handshake with a short key": http1(UPGRADE, CONNECTION, b"Sec-WebSocket-Key: YQ==", VERSION),
    "handshake without a version": http1(UPGRADE, CONNECTION, KEY),
    "handshake of version 8": http1(UPGRADE, CONNECTION, KEY, b"Sec-WebSocket-Version: 8"),
    "handshake with two versions": http1(UPGRADE, CONNECTION, *REST, b"Sec-WebSocket-Version: 8"),
    "handshake with a list of versions": http1(UPGRADE, CONNECTION, KEY, b"Sec-WebSocket-Version: 13, 8"),
}


def http2(
    *headers: tuple[bytes, bytes],
    method: bytes = b"GET",
    path: bytes = b"{path}",
    body: bytes = b"",
    reaches: tuple[tuple[str, str, bytes], ...] = (),
) -> Variant:
    """A request over HTTP/2, its headers as they are given, right or wrong."""
    pseudo = [(b":method", method), (b":scheme", b"https"), (b":authority", b"localhost"), (b":path", path)]
    return Variant(stream=[*pseudo, *headers], body=body, reaches=reaches)


def connect(
    *headers: tuple[bytes, bytes],
    protocol: bytes = b"websocket",
    body: bytes = b"",
    reaches: tuple[tuple[str, str, bytes], ...] = (),
) -> Variant:
    """A handshake over HTTP/2 (RFC 8441)."""
    return http2((b":protocol", protocol), *headers, method=b"CONNECT", body=body, reaches=reaches)


SIZED = (b"content-length", SIZE)
V13 = (b"sec-websocket-version", b"13")

HTTP2 = {
    "h2: a body": http2(SIZED, method=b"POST", body=HIDDEN, reaches=page("POST", HIDDEN)),
    "h2: less body than announced": http2((b"content-length", b"999"), method=b"POST", body=HIDDEN),
    "h2: more body than announced": http2((b"content-length", b"5"), method=b"POST", body=HIDDEN),
    "h2: two lengths": http2(SIZED, (b"content-length", b"0"), method=b"POST", body=HIDDEN),
    "h2: chunked": http2((b"transfer-encoding", b"chunked"), method=b"POST", body=b"0\r\n\r\n" + HIDDEN),
    "h2: connection": http2((b"connection", b"upgrade"), SIZED, method=b"POST", body=HIDDEN),
    "h2: upgrade": http2((b"upgrade", b"websocket"), SIZED, V13, method=b"POST", body=HIDDEN),
    "h2: upgrade list": http2((b"upgrade", b"websocket, foo"), SIZED, V13, body=HIDDEN),
    "h2: lines in a value": http2((b"x-a", b"b\r\nX-Forwarded-For: " + FORGED.encode())),
    "h2: request in a value": http2((b"x-a", b"b\r\n\r\n" + HIDDEN)),
    "h2: lines in a name": http2((b"x-a: b\r\nx-b", b"c")),
    "h2: colon in a name": http2((b"x-a:b", b"c")),
    "h2: capitals in a name": http2((b"X-A", b"c")),
    "h2: space in the path": http2(path=b"{path} HTTP/1.1\r\nX-Forwarded-For: " + FORGED.encode()),
    "h2: lines in the method": http2(method=b"GET / HTTP/1.1\r\nX-A: b\r\n\r\nGET"),
    "h2: two paths": http2((b":path", b"/other")),
    "h2: two authorities": http2((b":authority", b"other.test")),
    "h2: host of another": http2((b"host", b"other.test"), reaches=page()),
    "h2: header that only the edge sets": http2((b"x-forwarded-for", FORGED.encode()), reaches=page()),
    "h2: handshake": connect(V13, reaches=HANDSHAKE),
    "h2: handshake with a key": connect(V13, (b"sec-websocket-key", b"x y"), reaches=HANDSHAKE),
    "h2: handshake with a length": connect(V13, SIZED, body=HIDDEN),
    "h2: handshake of version 8": connect((b"sec-websocket-version", b"8")),
    "h2: handshake without a version": connect(),
    "h2: handshake of a list": connect(V13, protocol=b"websocket, foo"),
    "h2: handshake to something else": connect(V13, protocol=b"connect-udp"),
    "h2: CONNECT without a protocol": http2(method=b"CONNECT"),
}

VARIANTS = {**LENGTHS, **ENCODINGS, **CHUNKS, **LINES, **BODIES, **HANDSHAKES, **HTTP2}
