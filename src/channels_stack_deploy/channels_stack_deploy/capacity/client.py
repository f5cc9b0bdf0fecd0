"""Pages and WebSockets over TLS for many visitors in one process, with nothing but asyncio.

A browser keeps a connection for its pages and has one for each WebSocket; so does this. Runs in the application's image:
Python 3.9.
"""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from ..frames import CLOSE, PING, PONG, TEXT, close_code, frame

SECONDS = 15
"""How long an answer may take before it is none."""

LARGEST_HEAD = 64 * 1024
TLS_BUFFER = 16 * 1024
"""One record. asyncio has 256 KiB for each connection, which would be a gigabyte for 4,000 visitors."""


class Broken(Exception):
    """The connection ended, or what came is no HTTP. The text is a word for the report."""


@dataclass(frozen=True)
class Door:
    """Where the edge listens, as what it is addressed, and how it is trusted."""

    address: str
    port: int
    domain: str
    authority: str
    origin: str
    context: ssl.SSLContext

    def options(self, source: str) -> dict[str, Any]:
        """Of create_connection(), for a visitor at the address SOURCE."""
        return {"ssl": self.context, "server_hostname": self.domain, "local_addr": (source, 0)}


@dataclass
class Browser:
    """One visitor: cookies, and a connection for pages that is kept as long as the edge keeps it."""

    door: Door
    source: str
    cookies: dict[str, str] = field(default_factory=dict)
    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str) -> int:
        """Read the page at PATH to its end; its status. Broken, OSError or a timeout where there is none."""
        return await asyncio.wait_for(self._get(path), SECONDS)

    async def _get(self, path: str) -> int:
        kept = self.streams is not None
        try:
            return await self._ask(path)
        except (Broken, OSError, asyncio.IncompleteReadError):
            self.close()
            if not kept:
                raise
            # The edge ended a connection between two pages: a browser asks again.
            return await self._ask(path)

    async def _ask(self, path: str) -> int:
        if self.streams is None:
            door = self.door
            self.streams = await asyncio.open_connection(
                door.address, door.port, limit=LARGEST_HEAD, **door.options(self.source)
            )
        reader, writer = self.streams
        writer.write(head(self.door, path, self.cookies, ["Accept: text/html,*/*", "Accept-Encoding: gzip"]))
        try:
            status, headers = parse(await reader.readuntil(b"\r\n\r\n"))
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            raise Broken("broken off") from None
        self._keep(headers)
        if "chunked" in headers.get("transfer-encoding", ""):
            while length := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
                await reader.readexactly(length + 2)
            await reader.readuntil(b"\r\n")
        elif "content-length" in headers:
            await reader.readexactly(int(headers["content-length"]))
        elif status not in (204, 304):
            await reader.read()
            self.close()
        if headers.get("connection", "").lower() == "close":
            self.close()
        return status

    def _keep(self, headers: dict[str, str]) -> None:
        for line in headers.get("set-cookie", "").splitlines():
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name.strip()] = value.strip()

    def close(self) -> None:
        """End the connection."""
        if self.streams:
            self.streams[1].transport.abort()
            self.streams = None

    async def socket(self, path: str, subprotocol: str, hear: Callable[[bytes], None]) -> Socket:
        """A handshake at PATH: an open Socket, or one with the status that refused it. HEAR gets each message."""
        loop = asyncio.get_running_loop()
        door = self.door
        lines = [
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            f"Origin: {door.origin}",
            *([f"Sec-WebSocket-Protocol: {subprotocol}"] if subprotocol else []),
        ]

        async def shake_hands() -> Socket:
            _, socket = await loop.create_connection(
                lambda: Socket(head(door, path, self.cookies, lines), hear),
                door.address,
                door.port,
                **door.options(self.source),
            )
            await socket.answered
            return socket

        return await asyncio.wait_for(shake_hands(), SECONDS)


def head(door: Door, path: str, cookies: dict[str, str], lines: list[str]) -> bytes:
    """A GET."""
    cookie = [f"Cookie: {'; '.join(f'{name}={value}' for name, value in cookies.items())}"] if cookies else []
    first = [f"GET {path} HTTP/1.1", f"Host: {door.authority}", "User-Agent: channels-stack-capacity"]
    return "\r\n".join([*first, *lines, *cookie, "", ""]).encode()


def parse(text: bytes) -> tuple[int, dict[str, str]]:
    """Status and headers of an answer; several Set-Cookie are lines of one."""
    first, *lines = text.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdigit():
        raise Broken("no HTTP")
    headers: dict[str, str] = {}
    for name, _, value in (line.partition(":") for line in lines):
        key = name.strip().lower()
        headers[key] = f"{headers[key]}\n{value.strip()}" if key in headers else value.strip()
    return int(words[1]), headers


class Socket(asyncio.Protocol):
    """A WebSocket (RFC 6455). `status` 101: it is open; `closed` is 0 as long as it is, then the code that it was closed with."""

    def __init__(self, request: bytes, hear: Callable[[bytes], None]) -> None:
        self.request, self.hear = request, hear
        self.answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.status, self.closed = 0, 0
        self.buffer, self.parts = bytearray(), b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass of it
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        """The answer to the handshake, then frames."""
        self.buffer += data
        if not self.status:
            text, end, rest = bytes(self.buffer).partition(b"\r\n\r\n")
            if not end:
                return
            self.buffer = bytearray(rest)
            try:
                self.status = parse(text)[0]
            except Broken:
                self.status = 500
            if not self.answered.done():
                self.answered.set_result(None)
            if self.status != 101:
                self.transport.abort()
        if self.status == 101:
            self._frames()

    def _frames(self) -> None:
        while len(self.buffer) >= 2:
            kind, length, start = self.buffer[0] & 15, self.buffer[1] & 127, 2
            if length == 126:
                start = 4
            elif length == 127:
                start = 10
            if len(self.buffer) < start:
                return
            if length == 126:
                (length,) = struct.unpack_from("!H", self.buffer, 2)
            elif length == 127:
                (length,) = struct.unpack_from("!Q", self.buffer, 2)
            if len(self.buffer) < start + length:
                return
            final, body = self.buffer[0] & 128, bytes(self.buffer[start : start + length])
            del self.buffer[: start + length]
            if kind == CLOSE:
                self.closed = close_code(body)
                self.transport.close()
                return
            if kind == PING:
                self.transport.write(frame(PONG, body))
            elif kind < CLOSE:
                self.parts += body
                if final:
                    message, self.parts = self.parts, b""
                    self.hear(message)

    def send(self, text: str) -> None:
        """One text message."""
        self.transport.write(frame(TEXT, text.encode()))

    def close(self) -> None:
        """Leave, as a page that is left does."""
        if self.status == 101 and not self.closed:
            self.closed = 1000
            self.transport.write(frame(CLOSE, struct.pack("!H", 1000)))
        self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection has ended, by either side."""
        self.closed = self.closed or 1006
        if not self.answered.done():
            self.answered.set_exception(Broken("broken off"))
            self.answered.exception()  # there may be no waiter any more
