"""`make bench-full`: as many idle websockets as this machine is to hold, all through the edge over TLS, and then some.

Starts a stack of its own with the application of `make bench` and the settings that docs/operations/sizing.md calculates;
opens SOCKETS, which answer pings while they rest, and prints what edge and ws use. Then others come until the edge is full: they
are answered 503, and nobody who was in before is cut.

    make bench-full [T=20000]
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import resource
import ssl
import sys
import time
from collections import Counter
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection

import stacks
from load import HANDSHAKE  # of `make bench`
from support.containers import pss_kib

AT_ONCE = 50
PATIENCE = 120
REST_SECONDS = 60
"""As long as three pings are apart (WS_PING_SECONDS): whoever did not answer the first is gone."""

EXTRA_SHARE = 0.1
"""Of SOCKETS, how many come when all are there."""

ADMITTED = 0.94
"""Of EDGE_MAXCONN: whoever comes then is answered 503."""

WS_MAX_SOCKETS = 5000
EDGE_PORT = 8443
CLIENTS = 4
"""Processes that the sockets are spread over."""

SETTINGS = {
    "APP_DIR": "../tests/bench/realtime",
    "APP_SETTINGS": "project.settings",
    "APP_ASGI": "project.asgi:application",
    "APP_RELEASE_COMMANDS": "",
    "APP_WORKER_CHANNELS": "",
    "HTTP_REPLICAS": "1",
    "EDGE_REQUESTS_PER_10S": "0",
    "EDGE_HANDSHAKES_PER_10S": "0",
    "EDGE_NEW_CONNECTIONS_PER_10S": "0",
    "EDGE_CONNECTIONS_PER_ADDRESS": "0",
    "WS_MAX_SOCKETS_PER_ADDRESS": "0",
}
"""All come from this one address."""

SERVICES = ("edge", "ws")
PING, PONG = 0x89, 0x8A

counts: Counter[str] = Counter()
"""Of this process: pings that came, and sockets that were lost."""


def sized(sockets: int) -> dict[str, str]:
    """Settings for so many (docs/operations/sizing.md). SystemExit where a process of this machine may not open as many files."""
    connections = math.ceil(sockets / ADMITTED)
    descriptors, (_, most) = 2 * connections + 200, resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and descriptors > most:
        fits = int((most - 200) / 2 * ADMITTED)
        raise SystemExit(
            f"bench-full: {sockets} sockets take an edge of {descriptors} descriptors; a process of this machine may "
            f"have {most} (ulimit -Hn), which are {fits} sockets: T={fits}"
        )
    memory = math.ceil((connections * 76 / 1024 + 34 + 64) * 12 / 11)
    return {
        "EDGE_MAXCONN": str(connections),
        "EDGE_MEMORY": f"{memory}M",
        "WS_MAX_SOCKETS": str(WS_MAX_SOCKETS),
        "WS_REPLICAS": str(math.ceil(sockets / WS_MAX_SOCKETS)),
    }


class Client(asyncio.Protocol):
    """A websocket that says nothing but pong."""

    def __init__(self, site: str) -> None:
        self.site = site
        self.status: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.write(HANDSHAKE.format(site=self.site, path="/room/").encode())  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self.status.done():
            head, end, rest = self._data.partition(b"\r\n\r\n")
            if not end:
                return
            self._data = rest
            self.status.set_result(head.split(b" ")[1].decode())
        while len(self._data) >= 2 and len(self._data) >= 2 + self._data[1]:
            kind, length = self._data[0], self._data[1]
            payload, self._data = self._data[2 : 2 + length], self._data[2 + length :]
            if kind == PING:
                counts["pings"] += 1
                self.transport.write(bytes((PONG, 0x80 | length, 0, 0, 0, 0)) + payload)  # type: ignore[attr-defined]

    def connection_lost(self, error: Exception | None) -> None:
        if not self.status.done():
            self.status.set_result("cut")
        elif self.status.result() == "101":
            counts["lost"] += 1


async def come(site: str, edge: str, tls: ssl.SSLContext, many: int) -> Counter[str]:
    """So MANY handshakes for SITE at the address EDGE; how they were answered."""
    gate = asyncio.Semaphore(AT_ONCE // CLIENTS)
    found: Counter[str] = Counter()
    loop = asyncio.get_running_loop()

    async def one() -> None:
        async with gate:
            try:
                _, client = await loop.create_connection(
                    lambda: Client(site), edge, EDGE_PORT, ssl=tls, server_hostname=site.partition(":")[0]
                )
            except ConnectionError:
                found["reset"] += 1
            else:
                found[await asyncio.wait_for(client.status, PATIENCE)] += 1

    await asyncio.gather(*(one() for _ in range(many)))
    return found


def client(orders: Connection, site: str, edge: str, tls: str) -> None:
    """A process of visitors: ORDERS say how many sockets to open, and get what came of it; it ends with them."""

    async def run() -> None:
        context = ssl.create_default_context(cafile=tls)
        with contextlib.suppress(EOFError):
            while True:
                many = await asyncio.to_thread(orders.recv)
                orders.send((await come(site, edge, context, many), counts))

    asyncio.run(run())


class Clients:
    """CLIENTS processes, until the end of the block."""

    def __init__(self, stack: stacks.Stack) -> None:
        # Not by the published port: what comes from this machine itself Docker's own proxy forwards, which uses six descriptors
        # for a connection and ends all of them when there are no more (seen at 3,286, of 20,000 descriptors).
        networks = stacks.inspect(*stack.containers("edge"))["NetworkSettings"]["Networks"]
        [edge] = (each["IPAddress"] for name, each in networks.items() if name.endswith("_public"))
        self.links, self.running = [], []
        for _ in range(CLIENTS):
            mine, theirs = Pipe()
            process = Process(
                target=client, args=(theirs, f"{stack.host}:{stack.port}", edge, str(stack.ca)), daemon=True
            )
            process.start()
            self.links.append(mine)
            self.running.append(process)

    def come(self, many: int) -> tuple[Counter[str], Counter[str]]:
        """So MANY handshakes; how they were answered, and `counts` of all until now."""
        for link in self.links:
            link.send(many // CLIENTS)
        answers = [link.recv() for link in self.links]
        found: Counter[str] = sum((answer for answer, _ in answers), Counter())
        counted: Counter[str] = sum((counted for _, counted in answers), Counter())
        return found, counted

    def __enter__(self) -> Clients:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.running:
            process.terminate()
            process.join()


def used(stack: stacks.Stack) -> dict[str, tuple[float, float, int]]:
    """By service: MiB of its processes, MiB that its containers are charged, open descriptors; all its containers together."""
    found = {}
    for service in SERVICES:
        containers = stack.containers(service)
        charged = descriptors = 0
        for container in containers:
            path = "cat /sys/fs/cgroup/memory.current /sys/fs/cgroup/memory/memory.usage_in_bytes 2>/dev/null"
            charged += int(stacks.docker("exec", container, "sh", "-c", f"{path} || true").split()[0])
            listed = stacks.docker(
                "exec", container, "sh", "-c", "ls /proc/[0-9]*/fd 2>/dev/null | wc -l || true"
            )
            descriptors += int(listed)
        found[service] = (sum(map(pss_kib, containers)) / 1024, charged / 2**20, descriptors)
    return found


def measure(stack: stacks.Stack, clients: Clients, sockets: int) -> None:
    """Fill it, and print."""
    before, begun = used(stack), time.monotonic()
    for part in range(10):
        came, counted = clients.come(sockets // 10)
        print(
            f"  {(part + 1) * sockets // 10} came, the last ones: {dict(came)}, {counted['lost']} lost",
            flush=True,
        )
    print(f"{sockets} in {time.monotonic() - begun:.0f} s; they rest for {REST_SECONDS} s", flush=True)
    time.sleep(REST_SECONDS)  # what is measured is the rest itself
    after, (_, counted) = used(stack), clients.come(0)
    print(f"\n{counted['lost']} lost, {counted['pings']} pings answered\n")
    print(
        "| service | MiB before | with sockets | KiB a socket | MiB charged | descriptors |\n|---|---|---|---|---|---|"
    )
    for service in SERVICES:
        (own, _, _), (full, charged, descriptors) = before[service], after[service]
        each = (full - own) * 1024 / sockets
        print(f"| {service} | {own:.0f} | {full:.0f} | {each:.1f} | {charged:.0f} | {descriptors} |")
    late, counted = clients.come(round(EXTRA_SHARE * sockets))
    print(f"\n{late.total()} more: {dict(late)}; {counted['lost']} lost")


def main() -> None:
    """Run it on a stack of its own, which is removed at the end."""
    sockets = int(sys.argv[1]) if len(sys.argv) > 1 else 20000
    settings = SETTINGS | sized(sockets)
    print(" ".join(f"{name}={settings[name]}" for name in sized(sockets)))
    with stacks.own("full", **settings) as stack, Clients(stack) as clients:
        measure(stack, clients, sockets)


if __name__ == "__main__":
    main()
