"""A visitor with nothing but Python's standard library: pages with cookies, and websockets, through one edge.

What comes from the network is an OSError, an http.client.HTTPException or Closed; the callers turn them into one line.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import os
import re
import socket
import ssl
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import urlencode

from ..frames import CLOSE, PING, PONG, TEXT, close_code, frame

SECONDS = 15
"""How long one answer may take."""

LARGEST = 2_000_000
"""Bytes of a page or a websocket message that are read."""

ACCEPTED = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455, 4.2.2: what a server adds to the key of a handshake."""

TOKEN = re.compile(r'name=["\']csrfmiddlewaretoken["\']\s+value=["\']([^"\']+)')


class Closed(Exception):
    """The websocket was closed by the other side."""


def trust(authorities: list[Path]) -> ssl.SSLContext:
    """What this machine trusts, and what of AUTHORITIES is there: the stack's own, and the certificate that it expects."""
    context = ssl.create_default_context()
    # A certificate that is named is trusted without its authority's.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    for path in authorities:
        if path.exists():
            context.load_verify_locations(path)
    return context


@dataclass
class Site:
    """The public name and port of a stack, and the ADDRESS and the port there at which one of its edges listens."""

    domain: str
    public_port: int
    address: str
    port: int
    context: ssl.SSLContext
    origin: str = ""
    """Of its own pages, as a browser says it; empty: https://domain[:public_port]."""
    proxied: bool = False
    """The edge takes this machine for a hop that speaks the PROXY protocol."""

    @property
    def authority(self) -> str:
        """The name and, unless it is 443, the port: the Host header."""
        return self.domain + ("" if self.public_port == 443 else f":{self.public_port}")

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"https://{self.authority}"

    def open(self, port: int, seconds: float = SECONDS) -> socket.socket:
        """A connection with PORT of the edge, as the edge expects it of this machine."""
        plain = socket.create_connection((self.address, port), timeout=seconds)
        if self.proxied:
            plain.sendall(b"PROXY TCP4 127.0.0.1 127.0.0.1 1 1\r\n")
        return plain

    def connect(self, seconds: float = SECONDS) -> ssl.SSLSocket:
        """A connection whose certificate is verified for the name, whatever the name service says."""
        plain = self.open(self.port, seconds)
        try:
            return self.context.wrap_socket(plain, server_hostname=self.domain)
        except BaseException:
            plain.close()
            raise


class _Connection(http.client.HTTPSConnection):
    def __init__(self, site: Site) -> None:
        super().__init__(site.domain, site.public_port, timeout=SECONDS, context=site.context)
        self.site = site

    def connect(self) -> None:
        self.sock = self.site.connect()


@dataclass
class Answer:
    """A page."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        """Its body; what is no UTF-8 is replaced."""
        return self.body.decode("utf-8", "replace")


@dataclass
class Visitor:
    """An HTTP client that keeps cookies and follows no redirect."""

    site: Site
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str) -> Answer:
        """One page."""
        return self.ask("GET", path)

    def ask(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: str | None = None
    ) -> Answer:
        """One request, on a connection of its own."""
        connection = _Connection(self.site)
        sent = {
            "Host": self.site.authority,
            "Accept": "text/html,*/*",
            "User-Agent": "channels-stack",
            **(headers or {}),
        }
        if self.cookies:
            sent["Cookie"] = self.cookie_header()
        try:
            connection.request(method, path, body=body, headers=sent)
            response = connection.getresponse()
            self._keep(response.msg)
            return Answer(response.status, response.msg, response.read(LARGEST))
        finally:
            connection.close()

    def send_form(self, path: str, values: Mapping[str, str]) -> Answer:
        """Send the form of the page at PATH with VALUES, as a browser does: with the CSRF token of that page or the cookie."""
        page = self.get(path)
        found = TOKEN.search(page.text)
        token = found[1] if found else self.cookies.get("csrftoken", "")
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Referer": self.site.url + path}
        form = {**({"csrfmiddlewaretoken": token} if token else {}), **values}
        return self.ask("POST", path, headers, urlencode(form))

    def press(self, path: str) -> Answer:
        """A POST without a form of its own, as a button of every page sends it: to sign out, say."""
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Referer": self.site.url + "/"}
        return self.ask(
            "POST", path, headers, urlencode({"csrfmiddlewaretoken": self.cookies.get("csrftoken", "")})
        )

    def socket(self, path: str, subprotocol: str = "") -> Socket:
        """A handshake at PATH; its answer may be a refusal."""
        return Socket(self, path, subprotocol)

    def cookie_header(self) -> str:
        """The value of Cookie."""
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    def _keep(self, headers: http.client.HTTPMessage) -> None:
        for line in headers.get_all("Set-Cookie") or []:
            with contextlib.suppress(CookieError):
                for name, morsel in SimpleCookie(line).items():
                    if morsel["max-age"] == "0" or not morsel.value:
                        self.cookies.pop(name, None)
                    else:
                        self.cookies[name] = morsel.coded_value


class Socket:
    """A websocket of a page of the site (RFC 6455): `status` 101 says that it is open, anything else who refused it."""

    def __init__(self, visitor: Visitor, path: str, subprotocol: str = "") -> None:
        self.status, self.subprotocol = 0, ""
        self._buffer = b""
        self._socket = visitor.site.connect()
        try:
            self._shake_hands(visitor, path, subprotocol)
        except BaseException:
            self._socket.close()
            raise

    def _shake_hands(self, visitor: Visitor, path: str, subprotocol: str) -> None:
        key = base64.b64encode(os.urandom(16))
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: {visitor.site.authority}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key.decode()}",
            f"Origin: {visitor.site.origin or visitor.site.url}",
            "User-Agent: channels-stack",
            *([f"Sec-WebSocket-Protocol: {subprotocol}"] if subprotocol else []),
            *([f"Cookie: {visitor.cookie_header()}"] if visitor.cookies else []),
        ]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        head = self._until(b"\r\n\r\n", time.monotonic() + SECONDS).decode("latin-1")
        first, *rest = head.split("\r\n")
        match = re.match(r"HTTP/1\.[01] (\d{3})", first)
        if not match:
            raise http.client.BadStatusLine(first[:80])
        self.status = int(match[1])
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)
        }
        self.subprotocol = headers.get("sec-websocket-protocol", "")
        if self.status == 101:
            wanted = base64.b64encode(hashlib.sha1(key + ACCEPTED, usedforsecurity=False).digest()).decode()
            if headers.get("sec-websocket-accept") != wanted:
                raise http.client.HTTPException("101 without the Sec-WebSocket-Accept of this handshake")

    def send(self, text: str) -> None:
        """One text message."""
        self._send(TEXT, text.encode())

    def hear(self, fits: Callable[[str], bool], seconds: float) -> tuple[bool, list[str]]:
        """Whether a message that FITS comes within SECONDS, and all that came until then. Closed where the socket ends."""
        deadline = time.monotonic() + seconds
        heard: list[str] = []
        while True:
            try:
                text = self._message(deadline)
            except TimeoutError:
                return False, heard
            heard.append(text)
            if fits(text):
                return True, heard

    def close(self) -> None:
        """Close it, as a page that is left does."""
        with contextlib.suppress(OSError):
            if self.status == 101:
                self._send(CLOSE, struct.pack("!H", 1000))
        self._socket.close()

    def _message(self, deadline: float) -> str:
        parts = b""
        while True:
            first, second = self._exactly(2, deadline)
            length = second & 127
            if length == 126:
                (length,) = struct.unpack("!H", self._exactly(2, deadline))
            elif length == 127:
                (length,) = struct.unpack("!Q", self._exactly(8, deadline))
            if length > LARGEST:
                raise http.client.HTTPException(f"a message of {length} bytes")
            body, kind = self._exactly(length, deadline), first & 15
            if kind == CLOSE:
                raise Closed(f"closed with {close_code(body)} {body[2:].decode('utf-8', 'replace')}".rstrip())
            if kind == PING:
                self._send(PONG, body)
            elif kind < CLOSE:
                parts += body
                if first & 128:
                    return parts.decode("utf-8", "replace")

    def _send(self, kind: int, body: bytes) -> None:
        self._socket.sendall(frame(kind, body, os.urandom(4)))

    def _exactly(self, length: int, deadline: float) -> bytes:
        while len(self._buffer) < length:
            self._more(deadline)
        found, self._buffer = self._buffer[:length], self._buffer[length:]
        return found

    def _until(self, end: bytes, deadline: float) -> bytes:
        while end not in self._buffer:
            if len(self._buffer) > LARGEST:
                raise http.client.HTTPException("an answer without an end")
            self._more(deadline)
        found, _, self._buffer = self._buffer.partition(end)
        return found

    def _more(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"no answer within {SECONDS} s")
        self._socket.settimeout(left)
        data = self._socket.recv(65536)
        if not data:
            raise Closed("the connection broke off")
        self._buffer += data
