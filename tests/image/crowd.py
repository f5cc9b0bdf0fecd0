"""Strangers at the edge's door, from many addresses: `crowd.py KIND HOST ADDRESS[,ADDRESS…] CONNECTIONS`.

Runs inside a container that may give itself addresses (NET_ADMIN). Each address opens CONNECTIONS, keeps them, and opens
another where one is closed, after a pause of RETRY_SECONDS: strangers do not give up. What comes of it is a line of JSON on
stdout each second: {"open": now, "tried", "opened", "cut"}.

    silent    TCP, and not a byte
    half-tls  a whole ClientHello, and nothing more
    posts     HTTP/2, as many POSTs as the edge allows on a connection (100 at most), one byte of each body
    sockets   a websocket, idle
    readers   HTTP/2, as many large answers as the edge allows (100 at most), of which nothing is read
    reader    the same with one on each connection
    requests, refused, resets
              HTTP/2, as many requests as the edge takes (FLOODS), answers read and thrown away
    frames    HTTP/2, as many small frames, each connection another kind (FRAMES)
    office    people who come back at once and do not wait longer when they are refused: a page, ten files of it, a websocket
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import functools
import itertools
import json
import signal
import socket
import ssl
import struct
import sys
from collections import Counter
from collections.abc import Awaitable, Callable

RETRY_SECONDS = 5.0
OFFICE_RETRY_SECONDS = 1.0
"""Until a connection that was cut is opened again."""

AGAIN_SECONDS = 5.0
"""Until a request that was answered is made again."""

HANDSHAKE_SECONDS = 0.001
STREAMS = 100
LARGE = "/static/large/file"

SIOCSIFADDR, SIOCSIFNETMASK = 0x8916, 0x891C
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    0,
    1,
    2,
    3,
    4,
    6,
    7,
    8,
    9,
)
END_STREAM, END_HEADERS, ACK = 1, 4, 1
MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE = 3, 4

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

counts: Counter[str] = Counter()


def take(addresses: list[str]) -> None:
    """Give ADDRESSES to this container's network device, as aliases of it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        for number, address in enumerate(addresses):
            for request, value in ((SIOCSIFADDR, address), (SIOCSIFNETMASK, "255.255.255.255")):
                name = f"eth0:{number}".encode()
                packed = struct.pack("16sHH4s8x", name, socket.AF_INET, 0, socket.inet_aton(value))
                fcntl.ioctl(link, request, packed)


def tls(alpn: str) -> ssl.SSLContext:
    """A client that looks at no certificate."""
    context = ssl._create_unverified_context()
    context.set_alpn_protocols([alpn])
    return context


H1, H2 = tls("http/1.1"), tls("h2")


def http2_frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """One HTTP/2 frame."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def fields(**values: str) -> bytes:
    """Header fields in HPACK, literal without indexing; `_method` is `:method`."""
    pairs = (
        (name.replace("_", ":", 1) if name[0] == "_" else name.replace("_", "-"), value)
        for name, value in values.items()
    )
    return b"".join(
        b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
        for name, value in pairs
    )


def hello() -> bytes:
    """A ClientHello."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    link = H2.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        link.do_handshake()
    return outgoing.read()


async def silent(connect: Callable[..., Awaitable[Streams]]) -> None:
    """Say nothing until it is cut."""
    reader, _ = await connect()
    await reader.read(1)


async def half_tls(connect: Callable[..., Awaitable[Streams]]) -> None:
    """Begin a TLS handshake, and do not end it."""
    reader, writer = await connect()
    writer.write(hello())
    while await reader.read(65536):
        pass


async def sockets(connect: Callable[..., Awaitable[Streams]]) -> None:
    """Open a websocket and say nothing; the edge's time for that is longer than this test."""
    reader, writer = await connect(ssl=H1, server_hostname="localhost")
    writer.write(HANDSHAKE)
    counts[(await reader.readline()).decode().strip()] += 1
    while await reader.read(65536):
        pass


async def http2(connect: Callable[..., Awaitable[Streams]], window: int) -> tuple[Streams, int]:
    """An HTTP/2 connection with WINDOW for each answer, and how many streams it may have."""
    reader, writer = await connect(ssl=H2, server_hostname="localhost")
    writer.write(PREFACE + http2_frame(SETTINGS, 0, 0, struct.pack("!HI", INITIAL_WINDOW_SIZE, window)))
    head = await reader.readexactly(9)
    settings = await reader.readexactly(int.from_bytes(head[:3], "big"))
    allowed = dict(struct.iter_unpack("!HI", settings)).get(MAX_CONCURRENT_STREAMS, STREAMS)
    writer.write(http2_frame(SETTINGS, ACK, 0, b""))
    return (reader, writer), min(allowed, STREAMS)


async def posts(connect: Callable[..., Awaitable[Streams]]) -> None:
    """Begin a POST on every stream there can be, and another where one has ended."""
    (reader, writer), streams = await http2(connect, 65535)
    numbers = itertools.count(1, 2)
    head = fields(
        _method="POST", _scheme="https", _path="/echo", _authority="localhost", content_length="1000"
    )

    def post() -> None:
        number = next(numbers)
        writer.write(http2_frame(HEADERS, END_HEADERS, number, head) + http2_frame(DATA, 0, number, b"x"))

    for _ in range(streams):
        post()
    while True:
        head_ = await reader.readexactly(9)
        await reader.readexactly(int.from_bytes(head_[:3], "big"))
        if head_[3] == PING and not head_[4]:
            writer.write(http2_frame(PING, ACK, 0, b"\0" * 8))
        if head_[3] == GOAWAY:
            return
        if head_[4] & END_STREAM and head_[3] in (DATA, HEADERS):
            counts["answered"] += 1
            asyncio.get_running_loop().call_later(AGAIN_SECONDS, post)


async def readers(connect: Callable[..., Awaitable[Streams]], most: int = STREAMS) -> None:
    """Ask for MOST large answers and read nothing of them."""
    (_, writer), streams = await http2(connect, 2**31 - 1)
    writer.write(http2_frame(WINDOW_UPDATE, 0, 0, (2**31 - 1 - 65535).to_bytes(4, "big")))
    head = fields(_method="GET", _scheme="https", _path=LARGE, _authority="localhost")
    for number in range(1, 2 * min(most, streams), 2):
        writer.write(http2_frame(HEADERS, END_HEADERS | END_STREAM, number, head))
    await writer.drain()
    writer.transport.pause_reading()
    while not writer.transport.is_closing():
        await asyncio.sleep(1)
        writer.write(http2_frame(PING, 0, 0, b"\0" * 8))  # by it the end of the connection is seen


async def reader(connect: Callable[..., Awaitable[Streams]]) -> None:
    """Ask for one large answer and read nothing of it."""
    await readers(connect, 1)


def asked(
    number: int, flags: int = END_HEADERS | END_STREAM, method: str = "GET", path: str = "/echo"
) -> bytes:
    """The head of a request on stream NUMBER."""
    head = fields(_method=method, _scheme="https", _path=path, _authority="localhost")
    return http2_frame(HEADERS, flags, number, head)


def reset(number: int) -> bytes:
    """The end of stream NUMBER: its client has lost interest."""
    return http2_frame(RST_STREAM, 0, number, struct.pack("!I", 8))


Flood = tuple[bytes, Callable[[int], bytes]]
"""What comes first, and what is sent again and again, with the number of a new stream."""

FLOODS: dict[str, Flood] = {
    "requests": (b"", lambda number: asked(number)),
    "refused": (b"", lambda number: asked(number, path="/-/metrics")),
    "resets": (b"", lambda number: asked(number) + reset(number)),
}
WINDOW = struct.pack("!HI", INITIAL_WINDOW_SIZE, 65535)
FRAMES: tuple[Flood, ...] = (
    (b"", lambda number: http2_frame(PING, 0, 0, b"\0" * 8)),
    (b"", lambda number: http2_frame(SETTINGS, 0, 0, WINDOW)),
    (b"", lambda number: http2_frame(WINDOW_UPDATE, 0, 0, struct.pack("!I", 1))),
    (b"", lambda number: http2_frame(PRIORITY, 0, number, struct.pack("!IB", 0, 1))),
    (asked(1, END_HEADERS, "POST"), lambda number: http2_frame(DATA, 0, 1, b"")),
    (asked(1, 0), lambda number: http2_frame(CONTINUATION, 0, 1, b"")),
)
in_turn = itertools.cycle(FRAMES)
FLOOD_FRAMES = 200  # written at a time


async def flood(
    connect: Callable[..., Awaitable[Streams]], first: bytes, again: Callable[[int], bytes]
) -> None:
    """Send FIRST, and then AGAIN as fast as the edge takes it, until it is cut."""
    (reader, writer), _ = await http2(connect, 65535)
    writer.write(first)

    async def read() -> None:
        while data := await reader.read(65536):
            counts["bytes"] += len(data)
        writer.transport.abort()

    reading = asyncio.create_task(read())
    try:
        for number in range(3, 2**31 - 1, 2 * FLOOD_FRAMES):
            writer.write(b"".join(again(number + 2 * each) for each in range(FLOOD_FRAMES)))
            await writer.drain()
            counts["sent"] += FLOOD_FRAMES
    finally:
        reading.cancel()


async def office(connect: Callable[..., Awaitable[Streams]]) -> None:
    """A page with its files, then its websocket, which stays; whatever is refused ends this attempt."""
    reader, writer = await connect(ssl=H1, server_hostname="localhost")
    for path in ("/echo", *(f"/static/file{number}.01234567.js" for number in range(10))):
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        counts[head[9:12]] += 1
        if head[9:12] != "200":
            return
        await reader.readexactly(int(head.partition("content-length: ")[2].split()[0]))
    link, writer = await connect(ssl=H1, server_hostname="localhost")
    writer.write(HANDSHAKE)
    status = (await link.readline())[9:12].decode()
    counts[status] += 1
    while status == "101" and await link.read(65536):
        pass


KINDS = {
    "silent": silent,
    "half-tls": half_tls,
    "posts": posts,
    "sockets": sockets,
    "readers": readers,
    "reader": reader,
    "office": office,
    **{name: functools.partial(flood, first=first, again=again) for name, (first, again) in FLOODS.items()},
    "frames": lambda connect: flood(connect, *next(in_turn)),
}


async def stranger(kind: str, host: str, address: str) -> None:
    """One attempt after another, from ADDRESS."""
    while True:
        writers: list[asyncio.StreamWriter] = []

        async def connect(writers: list[asyncio.StreamWriter] = writers, **options) -> Streams:
            counts["tried"] += 1
            reader, writer = await asyncio.open_connection(
                host, 8443, local_addr=(address, 0), limit=4096, **options
            )
            writers.append(writer)
            counts["open"] += 1
            counts["opened"] += 1
            return reader, writer

        try:
            await KINDS[kind](connect)
        except (OSError, EOFError, ssl.SSLError):
            pass
        finally:
            for writer in writers:
                counts["open"] -= 1
                counts["cut"] += 1
                writer.transport.abort()
        await asyncio.sleep(OFFICE_RETRY_SECONDS if kind == "office" else RETRY_SECONDS)


async def main(kind: str, host: str, addresses: list[str], connections: int) -> None:
    """All of them, and what came of it, until SIGTERM: then they leave, and the edge hears it."""
    end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end.set)
    strangers = []
    for _ in range(connections):
        strangers += [asyncio.create_task(stranger(kind, host, address)) for address in addresses]
        if len(addresses) > 1:  # as fast as TLS handshakes go: to fill the edge is the point, not to flood it
            await asyncio.sleep(len(addresses) * HANDSHAKE_SECONDS)
    while not end.is_set():
        print(json.dumps(counts), flush=True)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(end.wait(), 1)
    for each in strangers:
        each.cancel()
    await asyncio.wait(strangers)
    await asyncio.sleep(0.5)


if __name__ == "__main__":
    _, kind, host, addresses, connections = sys.argv
    take(addresses.split(","))
    asyncio.run(main(kind, socket.gethostbyname(host), addresses.split(","), int(connections)))
