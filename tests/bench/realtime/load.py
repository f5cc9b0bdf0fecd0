"""The client side of `make bench`: sockets that cost far less than what they measure. A process of its own.

Frames are made once and answers are counted by their length: nothing is parsed while the clock runs. Prints JSON.

    python load.py ws://127.0.0.1:PORT#SITE echo|fan|paced|connect|join|memberships|idle …

SITE is what a browser would have in its address bar (localhost). wss:// trusts the authorities of SSL_CERT_FILE.
"""

from __future__ import annotations

import asyncio
import functools
import json
import ssl
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

TEXT = "x" * 100
HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: {site}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Origin: https://{site}\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
AT_ONCE = 50
PATIENCE = 120


def frame(text: str) -> bytes:
    """A text frame as clients send it, masked with zeros; at most 125 bytes."""
    body = text.encode()
    return bytes((0x81, 0x80 | len(body), 0, 0, 0, 0)) + body


class Client(asyncio.Protocol):
    """One socket. ``answered`` is called with how many frames of ``length`` bytes have come."""

    def __init__(self, site: str, path: str, length: int) -> None:
        self.site, self.path, self.length = site, path, length
        self.open: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.answered: Callable[[Client, int], None] = lambda client, count: None
        self._got = 0
        self._head = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(HANDSHAKE.format(site=self.site, path=self.path).encode())

    def data_received(self, data: bytes) -> None:
        if not self.open.done():
            self._head += data
            head, end, data = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            if b" 101 " not in head:
                self.open.set_exception(RuntimeError(head.decode("latin-1")))
                return
            self.open.set_result(None)
        self._got += len(data)
        count, self._got = divmod(self._got, self.length)
        if count:
            self.answered(self, count)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.open.done():
            self.open.set_exception(ConnectionError("the server has closed the connection"))


@functools.cache
def tls() -> ssl.SSLContext:
    return ssl.create_default_context()


async def connect(url: str, path: str, text: str = TEXT) -> Client:
    loop = asyncio.get_running_loop()
    parts = urlsplit(url)
    _, client = await loop.create_connection(
        lambda: Client(parts.fragment or "localhost", path, len(text) + 2),
        parts.hostname,
        parts.port,
        ssl=tls() if parts.scheme == "wss" else None,
    )
    await asyncio.wait_for(client.open, PATIENCE)
    return client


async def connect_all(url: str, path: str, count: int, text: str = TEXT) -> list[Client]:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one() -> Client:
        async with gate:
            return await connect(url, path, text)

    return await asyncio.gather(*(one() for _ in range(count)))


def begin() -> None:
    """Tell the bench that the sockets are open, and wait for its word: it has looked at the clock of the CPU."""
    print("ready", flush=True)
    sys.stdin.readline()


def tell(**result: float) -> None:
    print(json.dumps(result), flush=True)
    sys.stdin.readline()  # the sockets stay open until the bench has looked again


async def echo(url: str, path: str, sockets: int, seconds: float) -> None:
    """Each socket sends when its last message has come back."""
    clients = await connect_all(url, path, sockets)
    message, count = frame(TEXT), 0

    def again(client: Client, frames: int) -> None:
        nonlocal count
        count += frames
        client.transport.write(message)

    begin()
    start, cpu = time.perf_counter(), time.process_time()
    for client in clients:
        client.answered = again
        client.transport.write(message)
    await asyncio.sleep(seconds)
    for client in clients:
        client.answered = lambda client, frames: None
    took = time.perf_counter() - start
    tell(count=count, seconds=took, load=(time.process_time() - cpu) / took)


async def fan(url: str, path: str, sender: str, sockets: int, seconds: float, flying: int = 4) -> None:
    """``sockets`` members of a room, one who says something whenever all have got what was said ``flying`` before."""
    members = await connect_all(url, path, sockets)
    speaker = await connect(url, sender)
    count, said, message = 0, 0, frame(TEXT)
    until, done = float("inf"), asyncio.get_running_loop().create_future()

    def got(client: Client, frames: int) -> None:
        nonlocal count, said
        count += frames
        while count >= (said - flying + 1) * sockets:
            if time.perf_counter() > until:
                if count >= said * sockets and not done.done():
                    done.set_result(None)
                return
            said += 1
            speaker.transport.write(message)

    for member in members:
        member.answered = got
    await asyncio.sleep(0.5)  # `ready` consumers subscribe after they have accepted
    begin()
    start, cpu = time.perf_counter(), time.process_time()
    until = start + seconds
    got(members[0], 0)
    await asyncio.wait_for(done, PATIENCE)
    took = time.perf_counter() - start
    tell(count=count, seconds=took, load=(time.process_time() - cpu) / took)


async def paced(url: str, path: str, sender: str, sockets: int, seconds: float, rate: int) -> None:
    """``rate`` deliveries a second to ``sockets`` members, however long they take: the delay below which 99 of 100 are."""
    members = await connect_all(url, path, sockets)
    speaker = await connect(url, sender)
    said_at: list[float] = []
    delays: list[float] = []
    heard = dict.fromkeys(members, 0)

    def got(client: Client, frames: int) -> None:
        now = time.perf_counter()
        for number in range(heard[client], heard[client] + frames):
            delays.append(now - said_at[number])
        heard[client] += frames

    for member in members:
        member.answered = got
    await asyncio.sleep(0.5)  # `ready` consumers subscribe after they have accepted
    begin()
    start, cpu = time.perf_counter(), time.process_time()
    for number in range(round(seconds * rate / sockets)):
        await asyncio.sleep(start + number * sockets / rate - time.perf_counter())
        said_at.append(time.perf_counter())
        speaker.transport.write(frame(TEXT))
    end = time.perf_counter() + PATIENCE
    while len(delays) < len(said_at) * sockets:
        if time.perf_counter() > end:
            raise TimeoutError(f"{len(delays)} of {len(said_at) * sockets} deliveries in {PATIENCE} s")
        await asyncio.sleep(0.01)
    took = time.perf_counter() - start
    delay = sorted(delays)[len(delays) * 99 // 100]
    tell(count=len(delays), seconds=took, load=(time.process_time() - cpu) / took, delay=delay)


async def connects(url: str, path: str, seconds: float, at_once: int = 20) -> None:
    """Handshakes, each followed by the end of its connection."""
    begin()
    start, cpu, count = time.perf_counter(), time.process_time(), 0
    until = start + seconds

    async def one_after_the_other() -> None:
        nonlocal count
        while time.perf_counter() < until:
            client = await connect(url, path)
            client.transport.abort()
            count += 1

    await asyncio.gather(*(one_after_the_other() for _ in range(at_once)))
    took = time.perf_counter() - start
    tell(count=count, seconds=took, load=(time.process_time() - cpu) / took)


async def asked(url: str, path: str, frames: list[str], answer: str, groups: int) -> None:
    """A socket for each of ``frames`` sends it; over when all have got their ``answer``, which takes ``groups`` groups each."""
    clients = await connect_all(url, path, len(frames), answer)
    done, waiting = asyncio.get_running_loop().create_future(), len(frames)

    def finished(client: Client, count: int) -> None:
        nonlocal waiting
        waiting -= count
        if not waiting:
            done.set_result(None)

    begin()
    start, cpu = time.perf_counter(), time.process_time()
    for client, text in zip(clients, frames, strict=True):
        client.answered = finished
        client.transport.write(frame(text))
    await asyncio.wait_for(done, PATIENCE)
    took = time.perf_counter() - start
    tell(count=len(frames) * groups, seconds=took, load=(time.process_time() - cpu) / took)


async def join(url: str, path: str, sockets: int, groups: int) -> None:
    """Each of ``sockets`` joins ``groups`` groups and leaves them."""
    await asked(url, path, [str(groups)] * sockets, str(groups), groups)


async def memberships(url: str, path: str, sockets: int, groups: int, members: int) -> None:
    """Each of ``sockets`` joins ``groups`` groups and stays, ``members`` of them the same ones."""
    frames = [f"{number // members * groups} {groups}" for number in range(sockets)]
    await asked(url, path, frames, "joined", groups)


async def idle(url: str, path: str, sockets: int) -> None:
    """``sockets`` that say nothing; the bench looks at the memory before and after."""
    begin()
    await connect_all(url, path, sockets)
    await asyncio.sleep(2)  # what is measured is the rest itself
    tell(count=sockets, seconds=1, load=0)


MEASURES = {
    "echo": echo,
    "fan": fan,
    "paced": paced,
    "connect": connects,
    "join": join,
    "memberships": memberships,
    "idle": idle,
}


def main() -> None:
    url, name, *words = sys.argv[1:]
    arguments = [float(word) if "." in word else int(word) if word.isdigit() else word for word in words]
    try:
        from uvloop import run
    except ImportError:
        run = asyncio.run
    run(MEASURES[name](url, *arguments))


if __name__ == "__main__":
    main()
