"""`make bench-tracing`: what TRACING costs, at 1 % and at 100 %, compared with the same processes without it.

Pages, echoes and messages to a group. The sides are measured in turn, many times and shortly, so that what else the machine does
meets all alike; each turn gives a ratio of the server's CPU for one operation to that of the side without tracing in the same
turn, and printed is its median, with the middle half of them. The receiver decodes what it gets, in this process.

    make bench-tracing [T="turns seconds"]
"""

from __future__ import annotations

import argparse
import os
import pathlib
import statistics
import sys
import tempfile
import threading
import time
import uuid
from contextlib import ExitStack

from bench import run  # the load of `make bench`
from processes import Process, Redis, answers, environment_of, free_port, until
from sides import Side
from support.http_load import pages, request
from support.otlp import Receiver

HERE = pathlib.Path(__file__).resolve().parent
BENCH = HERE.parent
SIDES = {"off": "", "off again": "", "1 %": "1", "100 %": "100"}
"""By name, TRACING_PERCENT; none: TRACING is not set. The second one shows the noise."""
SOCKETS = {
    "echo-100": ("echo", "/echo/", "100"),
    "group_send-100": ("fan", "/room/", "/talk/", "100"),
}


def settings(percent: str, url: str) -> dict[str, str]:
    return {"TRACING": url, "TRACING_PERCENT": percent} if percent else {}


class Pages:
    """A process that serves the pages of `make bench-pages`."""

    def __init__(self, redis: Redis, folder: pathlib.Path, more: dict[str, str]) -> None:
        self.port = free_port()
        environment = {
            **environment_of("paging", folder, redis),
            "PYTHONPATH": os.pathsep.join([str(BENCH / "pages"), os.environ["PYTHONPATH"]]),
            "BENCH_DATABASE": str(folder / "database"),
            "DOMAINS": "127.0.0.1",
            "SERVER_HTTP": "uvicorn",
            "LOG_LEVEL": "warning",
            **more,
        }
        migrate = Process([sys.executable, "-m", "django", "migrate"], environment, folder)
        assert migrate.wait() == 0, migrate.output()
        words = [sys.executable, "-m", "channels_stack", "serve", "http", "--port", str(self.port)]
        self.process = Process(["taskset", "-c", "0", *words], environment, folder)
        until(lambda: answers(self.port) or self.process.exit_code() is not None, what="it listens")
        assert self.process.exit_code() is None, self.process.output()

    cpu = Side.cpu

    def end(self) -> None:
        self.process.kill()


def asked() -> bytes:
    """A request with an id as the edge makes it."""
    number = int(time.time() * 1000) << 80 | uuid.uuid4().int & (2**80 - 1)
    identity = uuid.UUID(int=number & ~(0xF << 76) | 7 << 76)
    return request("/sync/", "127.0.0.1", f"X-Request-ID: {identity}")


def page_us(side: Pages, seconds: float) -> float:
    """Microseconds of the server's CPU for a page."""
    before = side.cpu()
    count = pages("127.0.0.1", side.port, asked, seconds)
    return (side.cpu() - before) / count * 1e6


def compare(name: str, costs: dict[str, list[float]]) -> None:
    """Print a line for each side."""
    for side, own in costs.items():
        ratios = [mine / off for mine, off in zip(own, costs["off"], strict=True)]
        low, _, high = statistics.quantiles(ratios, n=4)
        print(
            f"{name:16} {side:10} {statistics.median(own):8.1f} us  {statistics.median(ratios) - 1:+7.2%}"
            f"  (middle half {low - 1:+.2%} to {high - 1:+.2%}, {len(own)} turns)",
            flush=True,
        )


def in_turn(turns: int) -> list[list[str]]:
    """The order of the sides in each turn: backwards every other time."""
    names = list(SIDES)
    return [names if number % 2 else names[::-1] for number in range(turns)]


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="make bench-tracing T=...")
    parser.add_argument("turns", nargs="?", type=int, default=40)
    parser.add_argument("seconds", nargs="?", type=float, default=0.5, help="of each measurement")
    options = parser.parse_args()
    got: list[object] = []
    receiver = Receiver(("127.0.0.1", 0), got.append)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{receiver.server_port}"
    with ExitStack() as stack, tempfile.TemporaryDirectory(prefix="bench-tracing-") as name:
        folder, redis = pathlib.Path(name), stack.enter_context(Redis())
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        servers = {side: Pages(redis, folder, settings(percent, url)) for side, percent in SIDES.items()}
        for each in servers.values():
            stack.callback(each.end)
            page_us(each, 2)  # imports, and the first use of everything
        found: dict[str, list[float]] = {side: [] for side in SIDES}
        for order in in_turn(options.turns):
            for side in order:
                found[side].append(page_us(servers[side], options.seconds))
        compare("page", found)
        sockets = {
            side: Side("ours", redis, folder, more=settings(percent, url)) for side, percent in SIDES.items()
        }
        for each in sockets.values():
            stack.callback(each.end)
        for measure, words in SOCKETS.items():
            for each in sockets.values():
                run(each, (*words, "1"))
            found = {side: [] for side in SIDES}
            for order in in_turn(options.turns):
                for side in order:
                    found[side].append(run(sockets[side], (*words, str(options.seconds))).cpu_us)
            compare(measure, found)
    print(f"{len(got)} spans received", flush=True)
    assert got


if __name__ == "__main__":
    main()
