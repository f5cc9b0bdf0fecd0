"""`channels-stack compare traffic`: what tasks of a new release do while they serve alongside those of the old one.

Servers of pages and of websockets are asked for their metrics, by every address of their names; workers, which nothing can
connect to, say what they did by their status in Redis. New are those whose name or host name is one of NEW. Every look compares
all that was counted since the first one (verdict.py); the first comparison that is worse ends it.
"""

from __future__ import annotations

import http.client
import math
import socket
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import redis
from prometheus_client.parser import text_string_to_metric_families

from ..status import publisher
from .verdict import Comparison, Count

SERVICES = ("http", "ws")
"""Names under which the edge finds all servers, new and old."""

TIMEOUT_SECONDS = 5
LOOK_SECONDS = 2.0
SAY_SECONDS = 10.0
QUIET_SECONDS = 8.0
"""If no request has arrived by then, the comparison does not wait any longer."""

LONGEST_TIMES = 3.0
"""So many times as long is looked at most, where it looks worse and chance is not ruled out: few have come."""

WARM_SECONDS = 4.0
"""What a new server was slow with until then is not compared: its first pages also load modules and open connections."""

MANY_QUERIES = 250
"""One for each row of something. Less than that a new page may have reason for. A bound of metrics.QUERIES."""

SLOW = ("timed", "over 1 s", "over 0.25 s")
STILL_SECONDS = 1.0
GROWN_TIMES, GROWN_BYTES = 2.0, 64 * 1024 * 1024

Counts = Mapping[str, float]
"""What one server or worker has counted since it began."""


@dataclass(frozen=True)
class Kind:
    """One comparison: the names of counts that are bad, and of all."""

    what: str
    floor: float
    bad: tuple[str, ...]
    all: tuple[str, ...]
    more: float = 1.0
    burst: float = 1.0
    remembered: bool = False
    """Whether what the old release did before counts as well: of what is rare, and does not depend on how many come."""
    alone: bool = True
    """Whether the new release can be compared with the floor alone. Else the old one, which may not count this, has to."""


KINDS = (
    Kind("answers are 5xx", 0.02, ("5xx",), ("answers",)),
    Kind("answers took over 1 s", 0.05, ("over 1 s",), ("timed",), more=0.15, burst=2),
    Kind("answers took over 0.25 s", 0.3, ("over 0.25 s",), ("timed",), more=0.3, burst=2),
    Kind(f"answers made over {MANY_QUERIES} queries", 0.05, ("many queries",), ("queried",), alone=False),
    Kind("handshakes were refused", 0.05, ("refused",), ("refused", "accepted")),
    Kind("sockets were closed by an error (1011)", 0.05, ("1011",), ("accepted", "open")),
    Kind("messages were handled in over 1 s", 0.05, ("handled over 1 s",), ("handled",)),
    Kind("errors were logged by requests and messages", 0.05, ("errors",), ("answers", "handled")),
    Kind("jobs failed", 0.05, ("first_failed",), ("first_attempts",), remembered=True),
    Kind("looks got no answer from a process", 0.2, ("mute",), ("asked",)),
    # Each service for itself: where the pages of both stand still, the sockets of the new one alone may do so, too.
    *(
        Kind(f"looks at {service} found {what}", 0.2, (f"{mark} {service}",), (f"looks {service}",))
        for mark, what in (
            ("still", "an event loop that stood still for over 1 s"),
            ("grown", "over twice the memory of the old release"),
        )
        for service in (*SERVICES, "worker")
    ),
)
VISITS = ("answers", "accepted", "handled", "first_attempts")
"""Present as soon as one request has come."""


SAMPLES: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("answers", "http_requests_total", {}),
    ("5xx", "http_requests_total", {"status": "5xx"}),
    ("timed", "http_seconds_count", {}),
    ("within 1 s", "http_seconds_bucket", {"le": "1.0"}),
    ("within 0.25 s", "http_seconds_bucket", {"le": "0.25"}),
    ("queried", "http_queries_count", {}),
    ("few queries", "http_queries_bucket", {"le": f"{MANY_QUERIES:.1f}"}),
    ("accepted", "sockets_accepted_total", {}),
    ("refused", "sockets_refused_total", {}),
    ("1011", "sockets_closed_total", {"code": "1011"}),
    ("open now", "sockets", {}),
    ("handled", "handler_seconds_count", {}),
    ("handled within 1 s", "handler_seconds_bucket", {"le": "1.0"}),
    ("errors", "log_errors_total", {}),
)
"""Each count: its name, and the samples that are added up for it, those of a metric that have these labels."""

BEYOND = (
    ("over 1 s", "timed", "within 1 s"),
    ("over 0.25 s", "timed", "within 0.25 s"),
    ("many queries", "queried", "few queries"),
    ("handled over 1 s", "handled", "handled within 1 s"),
)
"""Counts of what is outside of a bucket: name, all, those within."""


def counts(text: str) -> dict[str, float]:
    """What a server's metrics TEXT says."""
    found = dict.fromkeys((name for name, _, _ in SAMPLES), 0.0)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            metric = sample.name.removeprefix("channels_stack_")
            for name, of, labels in SAMPLES:
                if metric == of and labels.items() <= sample.labels.items():
                    found[name] += sample.value
    return found | {name: found[every] - found[within] for name, every, within in BEYOND}


@dataclass
class Watched:
    """One server or worker: what it had counted when it was first asked, and by the last look."""

    new: bool
    first: Counts
    last: Counts
    marks: dict[str, float] = field(default_factory=dict)
    """Looks, and those that found something."""

    def grown(self, name: str) -> float:
        """How much of NAME has come since; what is open at first is there from the beginning."""
        if name == "open":
            return self.first.get("open now", 0.0)
        return self.marks.get(name, 0.0) + max(0.0, self.last.get(name, 0.0) - self.first.get(name, 0.0))


class Watch:
    """All that is compared. NEW are names, or the host names of workers; ASK answers with what an address has counted."""

    def __init__(
        self,
        new: Iterable[str],
        ask: Callable[[str], dict[str, float] | None],
        reports: Callable[[], list[dict[str, Any]]],
    ) -> None:
        self.new, self.ask, self.reports = set(new), ask, reports
        self.watched: dict[str, Watched] = {}
        self.begun = time.monotonic()

    def look(self) -> list[Comparison]:
        """Ask every process, and compare what has come since the first look."""
        ours = {address for name in self.new for address in addresses(name)}
        for address in ours | {address for name in SERVICES for address in addresses(name)}:
            found = self.ask(address)
            if found is not None:
                self.note(address, address in ours, found)
            if address in self.watched:
                self.mark(address, asked=1, mute=found is None)
        every = self.reports()
        for each in every:
            if name(each) in self.watched:
                self.mark(name(each), asked=1, mute=each["state"] == "silent")
        reports = [each for each in every if each["state"] != "silent"]
        memory: dict[str, float] = {}
        for each in reports:
            if each["host"] not in self.new:
                memory[each["service"]] = max(each["rss_bytes"], memory.get(each["service"], 0))
        for each in reports:
            new = each["host"] in self.new
            found = attempts(each) if each["service"] == "worker" else {}
            # What a new worker did before the first look it did as a part of the new release.
            first = dict.fromkeys(found, 0.0) if new else found
            self.note(name(each), new, found, first)
            large = GROWN_TIMES * memory.get(each["service"], math.inf) + GROWN_BYTES
            looks = {
                "looks": 1,
                "still": each["loop_lag_ms"] > 1000 * STILL_SECONDS,
                "grown": each["rss_bytes"] > large,
            }
            self.mark(name(each), **{f"{mark} {each['service']}": count for mark, count in looks.items()})
        return [
            Comparison(
                kind.what,
                kind.floor,
                self.total(kind, new=True) if kind.alone or self.total(kind, new=False).all else Count(0, 0),
                self.total(kind, new=False),
                kind.more,
                kind.burst,
                self.before(kind) if kind.remembered else Count(0, 0),
            )
            for kind in KINDS
        ]

    def note(self, key: str, new: bool, found: Counts, first: Counts | None = None) -> Watched:
        """Keep what one has counted by now; FIRST is where it began, if not here."""
        watched = self.watched.setdefault(key, Watched(new, found if first is None else first, found))
        watched.last = found
        if new and time.monotonic() - self.begun < WARM_SECONDS:
            watched.first = {**watched.first, **{name: found[name] for name in SLOW if name in found}}
        return watched

    def mark(self, key: str, **marks: int) -> None:
        """Add what a look has found of one."""
        kept = self.watched[key].marks
        for name, count in marks.items():
            kept[name] = kept.get(name, 0.0) + count

    def total(self, kind: Kind, *, new: bool) -> Count:
        """The counts of a KIND, of all new or all old ones."""
        those = [each for each in self.watched.values() if each.new is new]
        bad, some = (
            sum(each.grown(name) for each in those for name in names) for names in (kind.bad, kind.all)
        )
        return Count(bad, some)

    def before(self, kind: Kind) -> Count:
        """The counts of a KIND that all old ones had when they were first asked."""
        those = [each.first for each in self.watched.values() if not each.new]
        bad, some = (
            sum(first.get(name, 0.0) for first in those for name in names) for names in (kind.bad, kind.all)
        )
        return Count(bad, some)

    @property
    def visits(self) -> float:
        """How many have come."""
        return sum(each.grown(name) for each in self.watched.values() for name in VISITS)

    @property
    def answering(self) -> bool:
        """Whether all have answered each time: if one hangs, its requests are never counted."""
        return not any(each.marks.get("mute") for each in self.watched.values())


def watch(new: Iterable[str], port: int, seconds: float) -> list[str]:
    """Look for SECONDS; a line for each comparison that is worse, at once."""
    watching, begun = Watch(new, lambda address: _counted(address, port), _reports), time.monotonic()
    reported = begun
    while True:
        found = watching.look()
        passed = time.monotonic() - begun
        # The old one may only have been slower with the first of them.
        worse = [str(each) for each in found if each.worse and (each.old.all or passed >= QUIET_SECONDS)]
        if worse:
            return worse
        undecided = passed < LONGEST_TIMES * seconds and any(each.undecided for each in found)
        quiet = passed >= QUIET_SECONDS and not watching.visits and watching.answering
        if (passed >= seconds and not undecided) or quiet:
            if not watching.visits:
                print(f"no request came for {passed:.0f} s: nothing is compared", flush=True)
                return []
            # Where the new one has nothing bad there is little to say.
            for each in [each for each in found if each.new.bad] or found[:1]:
                print(f"no worse: {each}", flush=True)
            return []
        if time.monotonic() - reported >= SAY_SECONDS:
            reported = time.monotonic()
            print(f"{passed:.0f} s of {seconds:.0f} s: {found[0]}", flush=True)
        time.sleep(LOOK_SECONDS)


def name(report: Mapping[str, Any]) -> str:
    """What a process is called here."""
    return f"{report['service']} {report['host']} {report['pid']}"


def attempts(report: Mapping[str, Any]) -> dict[str, float]:
    """Jobs that a worker tried for the first time, and of those that failed: a job that can never be done counts once.

    A worker of an earlier version counts attempts alone.
    """
    done, failed = report["done"], report["failed"]
    return {
        "first_attempts": float(report.get("first_attempts", done + failed)),
        "first_failed": float(report.get("first_failed", failed)),
    }


def addresses(name: str) -> set[str]:
    """The addresses of NAME; none where the name service does not know it."""
    try:
        return {str(each[4][0]) for each in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)}
    except OSError:
        return set()


def _counted(address: str, port: int) -> dict[str, float] | None:
    """What the server at ADDRESS has counted; None where it does not say."""
    connection = http.client.HTTPConnection(address, port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/-/metrics", headers={"Host": "localhost"})
        return counts(connection.getresponse().read().decode("utf-8", "replace"))
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def _reports() -> list[dict[str, Any]]:
    """The status of every process; nothing while Redis is unavailable, which is no fault of a release."""
    try:
        return publisher.processes()
    except (redis.RedisError, OSError) as error:
        print(f"no status: {type(error).__name__}", file=sys.stderr)
        return []


def main(new: list[str], port: int, seconds: float) -> int:
    """0 where the new release does as well as the old one, 1 with a line for each comparison in which it does not."""
    problems = watch(new, port, seconds)
    for line in problems:
        print(f"traffic: {line}", file=sys.stderr)
    return 1 if problems else 0
