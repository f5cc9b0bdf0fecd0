"""`make bench-worker`: our worker beside Channels' own, `runworker` on RedisChannelLayer, in one run.

Throughput of empty jobs in one process; jobs that two healthy workers run twice; jobs lost and run twice when one
of two workers gets SIGTERM or SIGKILL while far more waits than they can do. Exits with 1 when a goal is missed.
"""

from __future__ import annotations

import os
import pathlib
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from processes import Process, Redis, until

HERE = pathlib.Path(__file__).parent
# Fewer for the stock worker, so that the whole stays below two minutes.
JOBS = {"stock": 3000, "ours": 10_000}
JOB_SECONDS = 0.001
SIGNAL_AFTER = 1000  # jobs done: the rest is the overload
EMPTY_JOBS = {"stock": 3000, "ours": 12_000}
WARM_UP, ROUNDS = 1000, 3
RECORD = 8  # bytes in the journal for each job
QUIET_SECONDS = 5  # longer than the lease of a killed worker in this benchmark: nothing comes any more


class Bench:
    """One worker kind, a fresh Redis prefix and a fresh journal."""

    def __init__(self, kind: str, redis: Redis, folder: pathlib.Path) -> None:
        self.kind, self.redis, self.folder = kind, redis, folder
        self.journal = folder / "journal"
        self.journal.touch()
        self.workers: list[Process] = []
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join([str(HERE), os.environ["PYTHONPATH"]]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "SECRET_KEY": "k7f3-only-for-tests-" * 4,
            "DATABASE_URL": "sqlite://:memory:",
            "DJANGO_SETTINGS_MODULE": "benchmark.settings",
            "APP_SETTINGS": "benchmark.settings",
            "APP_ASGI": "benchmark.asgi:application",
            "LOG_LEVEL": "error",
            "BENCH_JOURNAL": str(self.journal),
            "BENCH_WORKER": kind,
            "REDIS_URL": redis.url,
            "REDIS_PREFIX": folder.name,
        }

    def start(self) -> Process:
        number = len(self.workers)
        if self.kind == "stock":
            command = [sys.executable, "-m", "django", "runworker", "--layer", "tasks", "jobs"]
        else:
            options = ["--port=0", f"--heartbeat={self.folder}/heartbeat-{number}"]
            command = [sys.executable, "-m", "channels_stack", "worker", *options, "jobs"]
        worker = Process(command, self.environment, self.folder)
        self.workers.append(worker)
        return worker

    def fill(self, jobs: int, seconds: float) -> None:
        """Let another process send ``jobs`` jobs: what is in Django's settings differs from one bench to the next."""
        command = [sys.executable, str(HERE / "fill.py"), str(jobs), str(seconds)]
        assert Process(command, self.environment, self.folder).wait(60) == 0

    def done(self) -> int:
        return self.journal.stat().st_size // RECORD

    def settle(self, jobs: int) -> Counter[bytes]:
        """Wait until all ``jobs`` are done or nothing comes any more; how often each has run."""
        seen, changed = 0, time.monotonic()
        while time.monotonic() - changed < QUIET_SECONDS:
            if self.done() != seen:
                seen, changed = self.done(), time.monotonic()
            if seen >= jobs and len(self.runs()) == jobs and time.monotonic() - changed > 0.5:
                break
            time.sleep(0.02)
        return self.runs()

    def runs(self) -> Counter[bytes]:
        return Counter(self.journal.read_bytes().split())

    def end(self) -> None:
        for worker in self.workers:
            worker.kill()


@contextmanager
def bench(kind: str, redis: Redis) -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(prefix=f"bench-{kind}-") as folder:
        made = Bench(kind, redis, pathlib.Path(folder))
        try:
            yield made
        finally:
            made.end()


def throughput(kind: str, redis: Redis) -> float:
    """Empty jobs per second of one process that has enough to do."""
    with bench(kind, redis) as made:
        jobs = EMPTY_JOBS[kind]
        made.fill(jobs, 0)
        made.start()
        until(lambda: made.done() >= WARM_UP, 60, "the first jobs")
        before, start = made.done(), time.perf_counter()
        until(lambda: made.done() >= jobs, 60, "all jobs")
        return (jobs - before) / (time.perf_counter() - start)


def losses(kind: str, redis: Redis, number: signal.Signals | None) -> tuple[int, int]:
    """Jobs lost and surplus runs of two workers, one of which gets the signal ``number`` halfway."""
    with bench(kind, redis) as made:
        jobs = JOBS[kind]
        first, _ = made.start(), made.start()
        made.fill(jobs, JOB_SECONDS)
        until(lambda: made.done() >= SIGNAL_AFTER, 60, "the first jobs")
        if number is not None:
            first.popen.send_signal(number)
            first.wait(30)
        runs = made.settle(jobs)
        return jobs - len(runs), sum(runs.values()) - len(runs)


def main() -> int:
    start = time.monotonic()
    with Redis() as redis:
        # Interleaved, so that what else the machine does meets both alike.
        rounds = [(throughput("stock", redis), throughput("ours", redis)) for _ in range(ROUNDS)]
        rows = {
            kind: [losses(kind, redis, number) for number in (None, signal.SIGTERM, signal.SIGKILL)]
            for kind in ("stock", "ours")
        }
    ratio = statistics.median(ours / stock for stock, ours in rounds)
    print(f"\njobs of {JOB_SECONDS * 1000:g} ms, two workers               stock      ours      goal")
    print(f"  {'sent':<36} {JOBS['stock']:>10}{JOBS['ours']:>10}")
    cases = ("two healthy workers", "SIGTERM to one of them", "SIGKILL to one of them")
    for index, case in enumerate(cases):
        stock, ours = rows["stock"][index], rows["ours"][index]
        print(f"  {case:<24} lost        {stock[0]:>10}{ours[0]:>10}         0")
        goal = "0" if index < 2 else "-"
        print(f"  {'':<24} run twice   {stock[1]:>10}{ours[1]:>10}{goal:>10}")
    stock, ours = (statistics.median(values) for values in zip(*rounds, strict=True))
    print(f"  empty jobs/s of one process          {stock:>10.0f}{ours:>10.0f}")
    print(f"  ratio, median of {ROUNDS} rounds                        {ratio:>10.1f}      >= 3")
    print(f"({time.monotonic() - start:.0f} s)")
    lost = sum(each[0] for each in rows["ours"])
    twice = rows["ours"][0][1] + rows["ours"][1][1]
    return int(bool(lost or twice or ratio < 3))


if __name__ == "__main__":
    sys.exit(main())
