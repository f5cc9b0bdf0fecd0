"""`make bench-edge`: how much of what one process of http can answer arrives through the edge, over TLS.

Starts a stack of its own with one process for pages. Turns alternate between its container's port and the edge; printed are
pages a second of both and the median of the ratios, with the middle half of them, and the CPU of each service for a page.
The load, the edge and the database share the machine with the process: below two idle cores, they are what is measured.

    make bench-edge [T="turns seconds"]
"""

from __future__ import annotations

import argparse
import asyncio
import ssl
import statistics
import time
from pathlib import Path

import stacks
from visitors import trust

NO_LIMITS = {
    "EDGE_REQUESTS_PER_10S": "0",
    "EDGE_CONNECTIONS_PER_ADDRESS": "0",
    "HTTP_REPLICAS": "1",
    "HTTP_PROCESSES": "1",
}
"""All pages are asked for by this one address, of one process."""

CONNECTIONS = 16
PORT = 8000
PATH = "/login/"
SERVICES = ("edge", "http", "db")


async def load(
    stack: stacks.Stack, address: str, port: int, tls: ssl.SSLContext | None, seconds: float
) -> int:
    """Pages that CONNECTIONS clients got."""
    end = time.monotonic() + seconds
    request = (
        f"GET {PATH} HTTP/1.1\r\nHost: {stack.host}:{stack.port}\r\n"
        + ("" if tls else "X-Forwarded-Proto: https\r\n")
        + "\r\n"
    ).encode()

    async def client() -> int:
        name = {"server_hostname": stack.host} if tls else {}
        reader, writer = await asyncio.open_connection(address, port, ssl=tls, **name)
        count = 0
        while time.monotonic() < end:
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert head.startswith(b"http/1.1 200"), head
            await reader.readexactly(int(head.partition(b"content-length:")[2].split()[0]))
            count += 1
        writer.close()
        return count

    return sum(await asyncio.gather(*(client() for _ in range(CONNECTIONS))))


def cpu(stack: stacks.Stack, service: str) -> float:
    """Seconds of CPU that the processes of SERVICE have used."""
    spent = 0
    for container in stack.containers(service):
        for pid in stacks.docker("top", container, "-o", "pid").split()[1:]:
            spent += sum(
                int((task / "schedstat").read_text().split()[0])
                for task in Path("/proc", pid, "task").iterdir()
            )
    return spent / 1e9


def measure(stack: stacks.Stack, turns: int, seconds: float) -> None:
    """Print the table."""
    edge, http = (
        stacks.inspect(*stack.containers(service))["NetworkSettings"]["Networks"]
        for service in ("edge", "http")
    )
    (network,) = edge.keys() & http.keys()  # it listens there alone
    address = http[network]["IPAddress"]
    ways = {"direct": (address, PORT, None), "edge": ("127.0.0.1", stack.port, trust(stack))}
    rates: dict[str, list[float]] = {way: [] for way in ways}
    costs: dict[str, dict[str, float]] = {way: dict.fromkeys(SERVICES, 0.0) for way in ways}
    counts = dict.fromkeys(ways, 0)
    for way in ways.values():
        asyncio.run(load(stack, *way, 2))  # imports, and the first use of everything
    for turn in range(turns):
        for name in list(ways)[:: 1 if turn % 2 else -1]:
            before = {service: cpu(stack, service) for service in SERVICES}
            count = asyncio.run(load(stack, *ways[name], seconds))
            for service in SERVICES:
                costs[name][service] += cpu(stack, service) - before[service]
            counts[name] += count
            rates[name].append(count / seconds)
    ratios = [edge / direct for edge, direct in zip(rates["edge"], rates["direct"], strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    for name in ways:
        spent = ", ".join(
            f"{service} {costs[name][service] / counts[name] * 1e6:.0f} us" for service in SERVICES
        )
        print(f"{name:7} {statistics.median(rates[name]):7.0f} pages/s; CPU for a page: {spent}")
    print(f"edge / direct {middle:.3f} (middle half {low:.3f} to {high:.3f}, {turns} turns)")


def main() -> None:
    """Run it on a stack of its own, which is removed at the end."""
    parser = argparse.ArgumentParser(prog="make bench-edge T=...")
    parser.add_argument("turns", nargs="?", type=int, default=20)
    parser.add_argument("seconds", nargs="?", type=float, default=1, help="of each measurement")
    options = parser.parse_args()
    with stacks.own("default", **NO_LIMITS) as stack:
        measure(stack, options.turns, options.seconds)


if __name__ == "__main__":
    main()
