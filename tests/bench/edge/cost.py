"""`make bench-edge`: what the edge, with TLS, adds to a page and to a message.

Pages: a stack of its own with one process for them. Turns alternate between its container's port and the edge; printed are
pages a second of both and the median of the ratios, with the middle half of them, and the CPU of each service for a page.

Messages: a stack of its own that serves the application of `make bench` with one process for WebSockets. Each round measures
an echo and a delivery to a group, directly and through the edge; `edge` is the CPU of HAProxy for the latter.

The load, the edge and the data stores share the machine with the process: below two idle cores, they are what is measured.

    make bench-edge [T="turns seconds [pages|messages]"]
"""

from __future__ import annotations

import argparse
import os
import ssl
import statistics

import stacks
from bench import HEADER, Measure, Results, row, run, shown  # the load of `make bench`
from support.containers import cpu_seconds, pss_kib
from support.http_load import pages, request
from visitors import trust

ONE = {
    "EDGE_REQUESTS_PER_10S": "0",
    "EDGE_CONNECTIONS_PER_ADDRESS": "0",
    "EDGE_HANDSHAKES_PER_10S": "0",
    "HTTP_REPLICAS": "1",
    "HTTP_PROCESSES": "1",
}
"""All pages are asked for by this one address, of one process."""

MESSAGES = {
    "APP_DIR": "../tests/bench/realtime",
    "APP_SETTINGS": "project.settings",
    "APP_ASGI": "project.asgi:application",
    "APP_RELEASE_COMMANDS": "",
    "APP_WORKER_CHANNELS": "",
    "WS_REPLICAS": "1",
    "WS_MAX_SOCKETS_PER_ADDRESS": "0",
    "WS_MESSAGES_PER_SECOND": "100000",
}

PORT = 8000
PATH = "/login/"
SERVICES = ("edge", "http", "db")


def cpu(stack: stacks.Stack, service: str) -> float:
    """Seconds of CPU that the processes of SERVICE have used."""
    return sum(map(cpu_seconds, stack.containers(service)))


def behind(stack: stacks.Stack, service: str) -> str:
    """The address that the one container of SERVICE listens on: that of the network it shares with the edge."""
    edge, own = (
        stacks.inspect(*stack.containers(name))["NetworkSettings"]["Networks"] for name in ("edge", service)
    )
    (network,) = edge.keys() & own.keys()
    return own[network]["IPAddress"]


def measure_pages(stack: stacks.Stack, turns: int, seconds: float) -> None:
    """Print the table of pages."""
    site = f"{stack.host}:{stack.port}"
    ways: dict[str, tuple[str, int, bytes, ssl.SSLContext | None]] = {
        "direct": (behind(stack, "http"), PORT, request(PATH, site, "X-Forwarded-Proto: https"), None),
        "edge": (stack.host, stack.port, request(PATH, site), trust(stack)),
    }
    rates: dict[str, list[float]] = {way: [] for way in ways}
    costs: dict[str, dict[str, float]] = {way: dict.fromkeys(SERVICES, 0.0) for way in ways}
    counts = dict.fromkeys(ways, 0)

    def load(way: str, seconds: float) -> int:
        host, port, asked, tls = ways[way]
        return pages(host, port, lambda: asked, seconds, tls)

    for way in ways:
        load(way, 2)  # imports, and the first use of everything
    for turn in range(turns):
        for way in list(ways)[:: 1 if turn % 2 else -1]:
            before = {service: cpu(stack, service) for service in SERVICES}
            count = load(way, seconds)
            for service in SERVICES:
                costs[way][service] += cpu(stack, service) - before[service]
            counts[way] += count
            rates[way].append(count / seconds)
    ratios = [edge / direct for edge, direct in zip(rates["edge"], rates["direct"], strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    for way in ways:
        spent = ", ".join(
            f"{service} {costs[way][service] / counts[way] * 1e6:.0f} us" for service in SERVICES
        )
        print(f"{way:7} {statistics.median(rates[way]):7.0f} pages/s; CPU for a page: {spent}")
    print(f"edge / direct {middle:.3f} (middle half {low:.3f} to {high:.3f}, {turns} turns)", flush=True)


class Way:
    """A side of `make bench` that runs in a stack: its sockets go to URL, its CPU is that of SERVICE."""

    def __init__(self, stack: stacks.Stack, url: str, service: str) -> None:
        self.stack, self.service = stack, service
        self.url = f"{url}#{stack.host}:{stack.port}"

    def cpu(self) -> float:
        return cpu(self.stack, self.service)

    def pss_kib(self) -> int:
        return sum(map(pss_kib, self.stack.containers(self.service)))

    def last_line(self) -> str:
        [container] = self.stack.containers(self.service)
        return stacks.docker("logs", "--tail", "1", container).strip()


def measure_messages(stack: stacks.Stack, rounds: int, seconds: float) -> None:
    """Print the table of messages."""
    os.environ["SSL_CERT_FILE"] = str(stack.ca)  # for the load
    outside = stack.url.replace("https://", "wss://")
    ways = {
        "direct": Way(stack, f"ws://{behind(stack, 'ws')}:{PORT}", "ws"),
        "through edge": Way(stack, outside, "ws"),
        "edge": Way(stack, outside, "edge"),
    }
    measures = (
        Measure("echo-100", tuple(ways), ("echo", "/echo/", "100", str(seconds)), "echo"),
        Measure("group_send-100", tuple(ways), ("fan", "/room/", "/talk/", "100", str(seconds)), "delivery"),
    )
    print(HEADER)
    for one in measures:
        results: Results = {name: [] for name in ways}
        for number in range(rounds + 1):
            for name, way in ways.items():
                result = run(way, one.words(name))
                if number:  # the first round warms up
                    results[name].append(result)
        for name in ways:
            print(shown(row(one, name, results)), flush=True)


def main() -> None:
    """Run both on stacks of their own, which are removed at the end."""
    parser = argparse.ArgumentParser(prog="make bench-edge T=...")
    parser.add_argument("turns", nargs="?", type=int, default=20)
    parser.add_argument("seconds", nargs="?", type=float, default=1, help="of each measurement")
    parser.add_argument("only", nargs="?", choices=("pages", "messages"))
    options = parser.parse_args()
    if options.only != "messages":
        with stacks.own("default", **ONE) as stack:
            measure_pages(stack, options.turns, options.seconds)
    if options.only != "pages":
        with stacks.own("messages", **ONE, **MESSAGES) as stack:
            measure_messages(stack, options.turns, options.seconds)


if __name__ == "__main__":
    main()
