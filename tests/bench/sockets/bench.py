"""`make bench-sockets`: what idle websockets cost in a real stack, process by process.

Starts a stack of its own, opens SOCKETS sockets of a room through the edge, lets them rest, and prints for each service
the memory (PSS) and the connections to PostgreSQL and Redis before and after. docs/operations/sizing.md has the figures.

    make bench-sockets T=2000
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import time
from collections import Counter

import stacks
import websockets
from support.containers import pss_kib
from visitors import browse, sign_in, trust

AT_ONCE = 50
"""Handshakes under way at a time; each reads from the database."""

REST_SECONDS = 25
"""Longer than WS_PING_SECONDS, so that every socket has been pinged once."""

NO_LIMITS = {
    "EDGE_HANDSHAKES_PER_10S": "0",
    "EDGE_REQUESTS_PER_10S": "0",
    "EDGE_CONNECTIONS_PER_ADDRESS": "0",
    "WS_MAX_SOCKETS_PER_ADDRESS": "0",
    "WS_MAX_SOCKETS_PER_USER": "0",
    "HTTP_REPLICAS": "1",
}
"""All sockets come from this one address, and as one user."""

SERVICES = ("edge", "ws", "http", "redis", "db")


def memory(stack: stacks.Stack) -> dict[str, int]:
    """KiB by service, all replicas together."""
    return {service: sum(map(pss_kib, stack.containers(service))) for service in SERVICES}


def connections(stack: stacks.Stack) -> Counter[str]:
    """Connections that the data stores have now."""
    (db,) = stack.containers("db")
    (redis,) = stack.containers("redis")
    query = "select count(*) from pg_stat_activity where usename = 'app' and pid <> pg_backend_pid()"
    clients = stacks.docker("exec", redis, "sh", "-c", "wc -l < /proc/net/tcp").strip()
    rows = stacks.docker("exec", db, "psql", "-U", "app", "-d", "app", "-Atc", query).strip()
    return Counter({"PostgreSQL": int(rows), "TCP of redis": int(clients) - 1})


async def open_all(stack: stacks.Stack, cookies: str, wanted: int) -> list:
    """WANTED open sockets of the room, each past its welcome."""
    context: ssl.SSLContext = trust(stack)
    gate = asyncio.Semaphore(AT_ONCE)
    url = stack.url.replace("https://", "wss://") + "/ws/rooms/lobby/"
    opened: list = []

    async def one() -> None:
        async with gate:
            connection = await websockets.connect(
                url,
                ssl=context,
                additional_headers={"Cookie": cookies, "Origin": stack.url},
                compression=None,
                open_timeout=60,
                max_queue=None,
                proxy=None,
            )
            await connection.recv()
            opened.append(connection)
            if len(opened) % 500 == 0:
                print(f"  {len(opened)} sockets open", flush=True)

    await asyncio.gather(*(one() for _ in range(wanted)))
    return opened


async def measure(stack: stacks.Stack, wanted: int) -> None:
    """Open, rest, print."""
    with browse(stack) as client:
        sign_in(client, stack.user, stack.password)
        cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    before, links = memory(stack), connections(stack)
    started = time.monotonic()
    opened = await open_all(stack, cookies, wanted)
    seconds = time.monotonic() - started
    await asyncio.sleep(REST_SECONDS)  # what is measured is the rest itself
    after, links_after = memory(stack), connections(stack)
    alive = sum(connection.state is websockets.State.OPEN for connection in opened)
    print(f"\n{alive} of {wanted} sockets open; {wanted / seconds:.0f} handshakes a second\n")
    print("| service | MiB before | MiB with sockets | KiB per socket |\n|---|---|---|---|")
    for service in SERVICES:
        each = (after[service] - before[service]) / wanted
        print(f"| {service} | {before[service] / 1024:.0f} | {after[service] / 1024:.0f} | {each:.1f} |")
    for store in links:
        print(f"connections, {store}: {links[store]} before, {links_after[store]} with the sockets")
    await asyncio.gather(*(connection.close() for connection in opened))


def main() -> None:
    """Run it on a stack of its own, which is removed at the end."""
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    with stacks.own("default", **NO_LIMITS) as stack:
        asyncio.run(measure(stack, wanted))


if __name__ == "__main__":
    main()
