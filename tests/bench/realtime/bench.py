"""`make bench`: what an operation costs here and under stock servers, the same application everywhere, in turn.

Server and load have a core each. Each round measures every side once, one after the other, so that what else the machine does
meets all alike; what counts is the ratio to the first side of the same round: its median, with the lowest and the highest.
CPU is that of the server's process: Redis has its own. The load says how much of its core it used: near 1, it is the limit.

    make bench [T="--rounds 5 --seconds 3 measure…"]
    make bench-compare REV=main [T=…]: with our library of that revision, and fails where this one costs more in every round

The table goes to standard error, the same as JSON to standard output: `make bench` keeps it in tests/.artifacts, with a picture
of it (plot.py).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from processes import Redis
from sides import LIBRARY, LOAD_CORE, Side, on_core

HERE = pathlib.Path(__file__).parent
LOADED = 0.85
"""Share of its core above which the load may be what limits the rate. CPU per operation counts all the same."""

WORSE = 0.95
"""Efficiency compared with an earlier revision, in the best of the rounds, below which this one is worse beyond the noise."""


@dataclass(frozen=True)
class Measure:
    """``load`` is what load.py is told, ``other`` the same for a side that differs; others are compared with the first side."""

    name: str
    sides: tuple[str, ...]
    load: tuple[str, ...]
    unit: str = "operation"
    other: tuple[tuple[str, tuple[str, ...]], ...] = ()
    cost: str = "cpu_us"
    """Which of a Result counts: a key of COSTS."""

    def words(self, side: str) -> tuple[str, ...]:
        return dict(self.other).get("ours" if side == "before" else side, self.load)

    def compared(self) -> Measure:
        """The same of ours, with an earlier revision."""
        return dataclasses.replace(self, sides=("before", "ours"))


STOCK = ("uvicorn", "daphne", "ours")
COSTS = {"cpu_us": "us", "kib": "KiB", "delay_ms": "ms"}
"""What an operation may cost, with its unit: CPU of the server, memory that it left the server larger, delay of 99 in 100."""


def measures(seconds: float) -> list[Measure]:
    """All of them, in the order of the table."""
    time_ = str(float(seconds))
    found = [
        Measure(f"wrapper-{count}", ("bare", "wrapped"), ("echo", "/", count, time_), "echo")
        for count in ("1", "100")
    ]
    found += [
        Measure(f"echo-{count}", STOCK, ("echo", "/echo/", count, time_), "echo")
        for count in ("1", "100", "1000")
    ]
    found += [
        Measure(f"group_send-{count}", STOCK, ("fan", "/room/", "/talk/", count, time_), "delivery")
        for count in ("100", "1000")
    ]
    found += [
        Measure(
            f"broadcast-{count}",
            (*STOCK, "limit"),
            ("fan", "/room/", "/talk/", count, time_),
            "delivery",
            (("ours", ("fan", "/ready/", "/shout/", count, time_)),),
        )
        for count in ("100", "1000", "3000")
    ]
    paced = ("paced", "/room/", "/talk/", "100", time_, "2000")
    groups = ("memberships", "/member/", "120", "50", "3")
    return [
        *found,
        Measure("delay-2000", STOCK, paced, "delivery", cost="delay_ms"),
        Measure("join", STOCK, ("join", "/join/", "200", "50"), "membership"),
        Measure("groups-2000", STOCK, groups, "membership", cost="kib"),
        Measure("connect", STOCK, ("connect", "/echo/", time_), "handshake"),
        Measure("idle", STOCK, ("idle", "/room/", "1000"), "socket", cost="kib"),
    ]


@dataclass(frozen=True)
class Result:
    """One side in one round."""

    rate: float  # operations a second
    cpu_us: float  # of the server, for each operation
    kib: float  # that an operation left the server larger: of interest for idle sockets and memberships
    load: float  # share of its core that the client used
    delay_ms: float  # below which 99 of 100 deliveries were, where that is measured


class Unfinished(Exception):
    """The server did not do what it was asked for; the text is the last line of its log, or of the load."""


def run(side: Side, words: Iterable[str]) -> Result:
    """Let the load do its work on ``side``. Raises Unfinished."""
    command = [sys.executable, str(HERE / "load.py"), side.url, *words]
    with on_core(LOAD_CORE):
        load = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
    with load:
        assert load.stdin and load.stdout
        try:
            if load.stdout.readline() != "ready\n":
                raise Unfinished(side.last_line())
            cpu, kib = side.cpu(), side.pss_kib()
            load.stdin.write("\n")
            load.stdin.flush()
            answer = load.stdout.readline()
            if not answer:
                raise Unfinished(side.last_line())
            found = json.loads(answer)
            count = found["count"]
            used, grown = side.cpu() - cpu, side.pss_kib() - kib
            load.stdin.write("\n")
            load.stdin.flush()
        finally:
            if sys.exc_info()[0]:
                load.kill()
    delay = found.get("delay", 0) * 1e3
    return Result(count / found["seconds"], used / count * 1e6, grown / count, found["load"], delay)


Results = dict[str, list["Result | Unfinished"]]
"""By side, of each round."""


def measure(one: Measure, redis: Redis, rounds: int, before: pathlib.Path) -> Results:
    """The results of all rounds. A side that did not finish has none in that round, and begins the next as a new process."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        running: dict[str, Side] = {}
        found: Results = {name: [] for name in one.sides}
        try:
            for number in range(rounds + 1):
                for name in one.sides:
                    if name not in running:
                        running[name] = Side(name, redis, pathlib.Path(folder), before)
                    result: Result | Unfinished
                    try:
                        result = run(running[name], one.words(name))
                    except Unfinished as error:
                        result = error
                    # Memory that a process has had it keeps: a new one each time.
                    if one.cost == "kib" or isinstance(result, Unfinished):
                        running.pop(name).end()
                    if number or one.cost == "kib":  # the first round warms up
                        found[name].append(result)
                if one.cost == "kib" and number + 1 >= rounds:
                    break
        finally:
            for side in running.values():
                side.end()
    return found


def row(one: Measure, name: str, found: Results) -> dict[str, Any]:
    """What the table says of a side."""

    def cost(result: Result) -> float:
        value: float = getattr(result, one.cost)
        return value

    mine = [result for result in found[name] if isinstance(result, Result)]
    pairs = zip(found[name], found[one.sides[0]], strict=True)
    ratios = [
        cost(theirs) / cost(ours)
        for ours, theirs in pairs
        if isinstance(ours, Result) and isinstance(theirs, Result)
    ]
    unfinished = [str(result) for result in found[name] if isinstance(result, Unfinished)]
    nothing = [Result(*[float("nan")] * len(dataclasses.fields(Result)))]
    return {
        "measure": one.name,
        "side": name,
        "rate": statistics.median(result.rate for result in mine or nothing),
        "cost": statistics.median(cost(result) for result in mine or nothing),
        "unit": f"{COSTS[one.cost]} / {one.unit}",
        "ratio": statistics.median(ratios or [float("nan")]),
        "lowest": min(ratios, default=float("nan")),
        "highest": max(ratios, default=float("nan")),
        "load": statistics.median(result.load for result in mine or nothing),
        "unfinished": unfinished,
    }


HEADER = f"{'measure':16} {'side':12} {'per second':>10} {'cost':>8} {'':18} {'efficiency':>10}  (range)"


def shown(line: dict[str, Any]) -> str:
    """A line of the table. Efficiency: how often the first side's cost holds this side's."""
    rate = "" if line["measure"] == "idle" else f"{line['rate']:.0f}"
    limit = "  load is the limit" if line["load"] > LOADED else ""
    if line["unfinished"]:
        limit += f"  did not finish in {len(line['unfinished'])} rounds: {line['unfinished'][-1]}"
    return (
        f"{line['measure']:16} {line['side']:12} {rate:>10} {line['cost']:8.1f} {line['unit']:18} {line['ratio']:10.2f}"
        f"  ({line['lowest']:.2f}-{line['highest']:.2f}){limit}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("names", nargs="*", help="of measures, or how they begin; none: all")
    parser.add_argument(
        "--before", type=pathlib.Path, help="the library of an earlier revision: compare with it alone"
    )
    options = parser.parse_args()
    chosen = [
        one
        for one in measures(options.seconds)
        if not options.names or any(f"{one.name}-".startswith(f"{name}-") for name in options.names)
    ]
    if options.before:
        chosen = [one.compared() for one in chosen if "ours" in one.sides]
    begun, lines = time.monotonic(), []
    print(HEADER, file=sys.stderr)
    with Redis() as redis:
        for one in chosen:
            found = measure(one, redis, options.rounds, options.before or LIBRARY)
            for name in one.sides:
                lines.append(row(one, name, found))
                print(shown(lines[-1]), file=sys.stderr)
    print(f"({time.monotonic() - begun:.0f} s, {options.rounds} rounds)", file=sys.stderr)
    about = {
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "rounds": options.rounds,
        "seconds": options.seconds,
    }
    print(json.dumps({**about, "lines": lines}, indent=1))
    worse = [line["measure"] for line in lines if options.before and line["highest"] < WORSE]
    if worse:
        print(f"costs more than before in every round: {', '.join(worse)}", file=sys.stderr)
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
