"""What tasks of a new release do, compared with the old ones': by real metrics, over HTTP, and by reports of their status."""

from __future__ import annotations

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from channels_stack.commands import traffic
from channels_stack.observability import metrics

NEW, OLD = "127.0.0.3", "127.0.0.2"
LONG = 60
"""Seconds that nothing lasts which is worse: it ends at once."""


class Server:
    """Metrics of one server, with the names and labels of ours, that grow between two looks."""

    def __init__(self, **growth: float) -> None:
        self.growth, self.registry = growth, CollectorRegistry()
        for metric in (
            metrics.REQUESTS,
            metrics.LATENCY,
            metrics.QUERIES,
            metrics.ACCEPTED,
            metrics.REFUSED,
            metrics.CLOSED,
            metrics.HANDLER,
        ):
            buckets = metrics.QUERIES_BUCKETS if metric is metrics.QUERIES else metrics.SECONDS_BUCKETS
            again = {"buckets": buckets} if isinstance(metric, Histogram) else {}
            setattr(
                self,
                metric._name.removeprefix("channels_stack_"),
                type(metric)(
                    metric._name, metric._documentation, metric._labelnames, registry=self.registry, **again
                ),
            )
        self.log_errors = Counter("channels_stack_log_errors", "", registry=self.registry)
        Gauge("channels_stack_sockets", "", registry=self.registry).set(growth.get("open", 0))

    def grow(self) -> bytes:
        """What it says after one more look's time."""
        more = self.growth.get
        self.http_requests.labels("GET", "2xx").inc(more("answers", 0))
        self.http_requests.labels("GET", "5xx").inc(more("failed", 0))
        for seconds, name in ((0.01, "answers"), (0.5, "slow"), (2.0, "slower")):
            for _ in range(int(more(name, 0))):
                self.http_seconds.observe(seconds)
        for count, name in ((5, "answers"), (2000, "queries")):
            for _ in range(int(more(name, 0)) if "no queries" not in self.growth else 0):
                self.http_queries.observe(count)
        self.sockets_accepted.inc(more("accepted", 0))
        self.sockets_refused.labels("application").inc(more("refused", 0))
        self.sockets_closed.labels("1011", "server").inc(more("broken", 0))
        self.sockets_closed.labels("1012", "server").inc(more("restarted", 0))
        for seconds, name in ((0.001, "messages"), (3.0, "blocked")):
            for _ in range(int(more(name, 0))):
                self.handler_seconds.observe(seconds)
        self.log_errors.inc(more("errors", 0))
        return generate_latest(self.registry)


@contextlib.contextmanager
def serving(address: str, port: int, server: Server):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = server.grow()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    listening = ThreadingHTTPServer((address, port), Handler)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    try:
        yield listening.server_address[1]
    finally:
        listening.shutdown()
        listening.server_close()


GOOD = {"answers": 20, "accepted": 5, "messages": 40, "open": 30}


def process(host: str, service: str = "worker", **more: object) -> dict:
    plain = {
        "service": service,
        "host": host,
        "pid": 7,
        "state": "running",
        "loop_lag_ms": 3.0,
        "rss_bytes": 80 * 1024**2,
    }
    return {**plain, "done": 0, "failed": 0, **more}


@pytest.fixture
def watched(monkeypatch):
    """A function (new, old, reports, seconds) -> what is worse of a release whose server does NEW, while another does OLD."""
    monkeypatch.setattr(traffic, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(traffic, "QUIET_SECONDS", 2)
    monkeypatch.setattr(traffic, "WARM_SECONDS", 0.05)
    monkeypatch.setattr(traffic, "SERVICES", (NEW, OLD))

    def watch(new: dict, old: dict, reports=list, seconds: float = 0.5) -> list[str]:
        monkeypatch.setattr(traffic, "_reports", reports)
        with serving(OLD, 0, Server(**old)) as port, serving(NEW, port, Server(**new)):
            return traffic.watch([NEW, "first-worker"], port, seconds)

    return watch


def test_one_that_does_as_well(watched, capsys):
    assert watched(GOOD, GOOD) == []
    assert "answers are 5xx, 0 of" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("bad", "line"),
    [
        ({"failed": 5}, "answers are 5xx"),
        ({"slower": 4}, "answers took over 1 s"),
        ({"slow": 20}, "answers took over 0.25 s"),
        ({"queries": 3}, "answers made over 250 queries, 0 of"),
        ({"accepted": 0, "refused": 5}, "handshakes were refused"),
        ({"broken": 3}, "closed by an error"),
        ({"blocked": 5}, "messages were handled in over 1 s"),
        ({"errors": 10}, "errors were logged"),
    ],
    ids=[
        "pages fail",
        "a page is slow",
        "pages are slower",
        "N+1",
        "sockets are refused",
        "1011",
        "blocked",
        "errors in the log",
    ],
)
def test_one_that_does_worse(watched, bad, line):
    (found,) = watched(GOOD | bad, GOOD, seconds=LONG)[:1]
    assert line in found, found
    assert watched(GOOD | bad, GOOD | bad) == []


def test_queries_are_not_compared_with_a_release_that_does_not_count_them(watched):
    assert watched(GOOD | {"queries": 3}, GOOD | {"no queries": 1}) == []


def test_a_server_may_be_slow_with_its_first_pages(watched, monkeypatch):
    monkeypatch.setattr(traffic, "WARM_SECONDS", LONG)
    assert watched(GOOD | {"slower": 20}, GOOD) == []


def test_sockets_that_are_closed_on_purpose_are_no_fault(watched):
    assert watched(GOOD | {"restarted": 5}, GOOD) == []


def test_jobs_that_fail_where_the_others_do_them(watched):
    looks = iter(range(1, 10_000))

    def reports(failing: bool) -> list[dict]:
        number = next(looks)
        new = {"first_attempts": number, "first_failed": number * failing}
        return [process("first-worker", **new), process("a1b2", first_attempts=3 * number, first_failed=0)]

    (found,) = watched({}, {}, lambda: reports(failing=True), LONG)
    assert "jobs failed, 0 of" in found
    assert watched({}, {}, lambda: reports(failing=False)) == []


def test_two_jobs_that_fail_where_the_old_one_did_hundreds(watched):
    """By what it did before the trial; a single job that fails again and again is one."""
    looks = iter(range(1, 10_000))

    def reports(new: dict, old: dict) -> list[dict]:
        return [
            process("first-worker", **new),
            process("a1b2", **{name: by(next(looks)) for name, by in old.items()}),
        ]

    old = {"first_attempts": lambda look: 200 + look, "first_failed": lambda look: 0}
    two = {"first_attempts": 2, "first_failed": 2, "failed": 2}
    (found,) = watched({}, {}, lambda: reports(two, old), LONG)
    assert "2 of 2 jobs failed, 0 of" in found and "0 of 201 before" in found, found
    one = {"first_attempts": 1, "first_failed": 1, "failed": 5}
    assert watched({}, {}, lambda: reports(one, old), 0.2) == []
    broken = {"first_attempts": lambda look: 200 + look, "first_failed": lambda look: look}
    assert watched({}, {}, lambda: reports(two, broken), 0.2) == [], "what it needs is gone for both"
    idle = {"first_attempts": lambda look: 200, "first_failed": lambda look: 0}
    assert watched({}, {}, lambda: reports(two, idle), 0.2) == [], (
        "nobody knows whether the old one could do them"
    )


def test_a_worker_of_an_earlier_version_counts_attempts():
    assert traffic.attempts(process("a1b2", done=5, failed=2)) == {"first_attempts": 7.0, "first_failed": 2.0}


def test_a_loop_that_stands_still_and_memory_that_grows(watched):
    for bad, line in (
        ({"loop_lag_ms": 2500.0}, "stood still"),
        ({"rss_bytes": 400 * 1024**2}, "twice the memory"),
    ):
        (found,) = watched(
            GOOD, GOOD, lambda bad=bad: [process("first-worker", **bad), process("a1b2")], LONG
        )
        assert line in found
    # Another service needs more than this one.
    assert (
        watched(GOOD, GOOD, lambda: [process("first-worker", rss_bytes=400 * 1024**2), process("a1b2", "ws")])
        == []
    )


def test_the_pages_of_both_stand_still_and_the_sockets_of_one(watched):
    def reports() -> list[dict]:
        pages = [process(host, "http", loop_lag_ms=2500.0) for host in ("first-worker", "a1b2")]
        return [*pages, process("first-worker", "ws", loop_lag_ms=2500.0), process("a1b2", "ws")]

    (found,) = watched(GOOD, GOOD, reports, LONG)
    assert "looks at ws found an event loop that stood still" in found


def test_a_server_that_hangs_is_no_quiet_one(monkeypatch):
    """Its visitors wait in it: nothing is counted of them, neither there nor elsewhere."""
    monkeypatch.setattr(traffic, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(traffic, "QUIET_SECONDS", 0.2)
    monkeypatch.setattr(traffic, "SERVICES", (NEW, OLD))
    monkeypatch.setattr(traffic, "TIMEOUT_SECONDS", 0.5)
    monkeypatch.setattr(traffic, "_reports", list)
    new, ended = Server(), threading.Event()
    asked = iter(range(10_000))
    answer = new.grow

    def hang() -> bytes:
        if next(asked):
            ended.wait()
        return answer()

    new.grow = hang
    with serving(OLD, 0, Server()) as port, serving(NEW, port, new):
        try:
            (found,) = traffic.watch([NEW], port, LONG)
        finally:
            ended.set()
    assert "looks got no answer from a process" in found, found


def test_a_worker_that_hangs(watched):
    looks = iter(range(10_000))

    def reports() -> list[dict]:
        return [process("first-worker", state="silent" if next(looks) else "running"), process("a1b2")]

    (found,) = watched(GOOD, GOOD, reports, LONG)
    assert "looks got no answer" in found


def test_where_no_visitor_comes_nothing_is_waited_for(watched, capsys):
    assert watched({}, {}, seconds=LONG) == []
    assert "no request came" in capsys.readouterr().out
