"""`make bench-pages`: pages on each HTTP_HANDLER, compared with stock uvicorn and stock Daphne.

The same project, one process each, on a core of its own; clients on another. Rounds are interleaved, and what is printed
are medians of the ratios of one round: requests a second, and CPU of the server for each request. docs/reference/performance.md
has the figures.

    make bench-pages [T="rounds seconds"]
"""

from __future__ import annotations

import argparse
import os
import pathlib
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack

from processes import Process, Redis, answers, environment_of, free_port, until
from support.containers import process_cpu_seconds
from support.http_load import pages, request

HERE = pathlib.Path(__file__).resolve().parent
PAGES = ("sync", "async", "query")
OURS = ("django", "pooled", "one-hop")
STOCK = ("daphne", "uvicorn")


class Server:
    """One way to serve the project."""

    def __init__(self, name: str, folder: pathlib.Path, redis: Redis, core: int) -> None:
        self.port = free_port()
        environment = {
            **environment_of("paging", folder, redis),
            "PYTHONPATH": os.pathsep.join([str(HERE), os.environ["PYTHONPATH"]]),
            "BENCH_DATABASE": str(folder / "database"),
            "DOMAINS": "127.0.0.1",
            "SERVER_HTTP": "uvicorn",
            "HTTP_HANDLER": name if name in OURS else "django",
        }
        command = {
            "daphne": ["daphne", "--port", str(self.port), "paging.asgi:application"],
            "uvicorn": ["uvicorn", "--port", str(self.port), "paging.asgi:application"],
        }.get(name, ["channels_stack", "serve", "http", "--port", str(self.port)])
        migrate = Process([sys.executable, "-m", "django", "migrate"], environment, folder)
        assert migrate.wait() == 0, migrate.output()
        self.process = Process(
            ["taskset", "-c", str(core), sys.executable, "-m", *command], environment, folder
        )
        until(lambda: answers(self.port) or self.process.exit_code() is not None, what=f"{name} listens")
        assert self.process.exit_code() is None, self.process.output()

    def cpu_seconds(self) -> float:
        """What the process has used."""
        return process_cpu_seconds(self.process.popen.pid)


def measure(server: Server, page: str, seconds: float) -> tuple[float, float]:
    """(requests a second, microseconds of CPU for each)."""
    before, begun = server.cpu_seconds(), time.monotonic()
    asked = request(f"/{page}/", "127.0.0.1")
    count = pages("127.0.0.1", server.port, lambda: asked, seconds)
    took = time.monotonic() - begun
    return count / took, (server.cpu_seconds() - before) / count * 1e6


def main() -> None:
    """Measure, and print a table for each page."""
    parser = argparse.ArgumentParser(prog="make bench-pages T=...")
    parser.add_argument("rounds", nargs="?", type=int, default=5)
    parser.add_argument("seconds", nargs="?", type=float, default=2, help="of each measurement")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1]})
    with ExitStack() as stack, tempfile.TemporaryDirectory(prefix="bench-pages-") as name:
        folder = pathlib.Path(name)
        redis = stack.enter_context(Redis())
        servers = {}
        for kind in (*STOCK, *OURS):
            servers[kind] = Server(kind, folder, redis, cores[0])
            stack.callback(servers[kind].process.kill)
        for server in servers.values():  # imports, and the first use of everything
            for page in PAGES:
                measure(server, page, 0.5)
        found: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for _ in range(options.rounds):
            for page in PAGES:
                for kind, server in servers.items():
                    found.setdefault((page, kind), []).append(measure(server, page, options.seconds))
    for page in PAGES:
        print(
            f"\n| {page} view | requests/s | CPU us | / Daphne (range) | / uvicorn | CPU / Daphne |\n|---|---|---|---|---|---|"
        )
        daphne, uvicorn = found[page, "daphne"], found[page, "uvicorn"]
        for kind in servers:
            own = found[page, kind]
            by_daphne = [mine[0] / theirs[0] for mine, theirs in zip(own, daphne, strict=True)]
            by_uvicorn = [mine[0] / theirs[0] for mine, theirs in zip(own, uvicorn, strict=True)]
            cpu = [theirs[1] / mine[1] for mine, theirs in zip(own, daphne, strict=True)]
            print(
                f"| {kind} | {statistics.median(rate for rate, _ in own):.0f} "
                f"| {statistics.median(each for _, each in own):.0f} "
                f"| {statistics.median(by_daphne):.2f} ({min(by_daphne):.2f}-{max(by_daphne):.2f}) "
                f"| {statistics.median(by_uvicorn):.2f} | {statistics.median(cpu):.2f} |"
            )


if __name__ == "__main__":
    main()
