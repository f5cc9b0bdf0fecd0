"""What this process counts: Prometheus metrics, and the few totals that it reports to the console.

Everything is counted by ``instrument``, an ASGI middleware, except what only others can know: who refuses a
handshake calls ``refused``, the worker calls ``job``, the status publisher measures lag and latency.

With PROMETHEUS_MULTIPROC_DIR set before this module is imported, the processes of one container count into
files there and ``render`` answers for all of them; when one of them has ended, ``child_exit`` takes its
gauges out and adds what it has counted to what the others that have ended had: one file for all of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Awaitable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client import multiprocess as prometheus_multiprocess
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.mmap_dict import MmapedDict

from ..asgi.types import SOCKET, App, Message, Receive, Scope, Send
from ..stores import outage
from . import queries

# From 1 ms (a consumer's echo) to 30 s (the edge gives a request up).
SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
QUERIES_BUCKETS = (0, 1, 5, 10, 25, 50, 100, 250, 1000)
JOB_BUCKETS = (0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 15, 60, 300, 1800)
# A client may close with any code from 1000 to 4999: one label value for each would let a stranger fill our
# memory.
NAMED_CODES = frozenset({*range(1000, 1016), 4401})
# Close codes that only a server gives: it is going away, out of room, refuses what the client sent, or the user.
SERVER_CODES = frozenset({1008, 1009, 1011, 1012, 1013, 4401})
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

# In the name of a file, instead of the number of a process: those that have ended.
ENDED = "ended"

registry = CollectorRegistry()
_rendering = ThreadPoolExecutor(1, "metrics")

SOCKETS = Gauge("channels_stack_sockets", "Open websockets", registry=registry, multiprocess_mode="livesum")
ACCEPTED = Counter("channels_stack_sockets_accepted", "Handshakes accepted", registry=registry)
REFUSED = Counter("channels_stack_sockets_refused", "Handshakes refused", ["reason"], registry=registry)
CLOSED = Counter("channels_stack_sockets_closed", "Websockets closed", ["code", "who"], registry=registry)
AGE = Histogram(
    "channels_stack_socket_age_seconds",
    "Age of a websocket when it closed",
    registry=registry,
    buckets=(1, 10, 60, 300, 1800, 3600, 6 * 3600, 24 * 3600),
)
MESSAGES = Counter("channels_stack_messages", "Websocket messages", ["direction"], registry=registry)
BYTES = Counter(
    "channels_stack_message_bytes",
    "Size of websocket messages (of text: characters)",
    ["direction"],
    registry=registry,
)
_MESSAGES_IN, _MESSAGES_OUT = MESSAGES.labels("in"), MESSAGES.labels("out")
_BYTES_IN, _BYTES_OUT = BYTES.labels("in"), BYTES.labels("out")
HANDLER = Histogram(
    "channels_stack_handler_seconds",
    "From a websocket message taken by the application until it asks for the next",
    registry=registry,
    buckets=SECONDS_BUCKETS,
)
REQUESTS = Counter("channels_stack_http_requests", "HTTP requests", ["method", "status"], registry=registry)
LATENCY = Histogram(
    "channels_stack_http_seconds",
    "HTTP request until its last byte",
    registry=registry,
    buckets=SECONDS_BUCKETS,
)
QUERIES = Histogram(
    "channels_stack_http_queries",
    "Database queries of an HTTP request",
    registry=registry,
    buckets=QUERIES_BUCKETS,
)
LOOP_LAG = Gauge(
    "channels_stack_event_loop_lag_seconds",
    "Longest delay of a timer since the last measurement",
    registry=registry,
    multiprocess_mode="livemax",
)
LAYER_LATENCY = Gauge(
    "channels_stack_layer_latency_seconds",
    "Last round trip through the channel layer",
    ["layer"],
    registry=registry,
    multiprocess_mode="livemax",
)
CHECK_FAILED = Gauge(
    "channels_stack_check_failed",
    "1 while this check of the process fails, whether it is ready all the same or not",
    ["check"],
    registry=registry,
    multiprocess_mode="livemax",
)
LAYER_FAILURES = Counter(
    "channels_stack_layer_failures", "Round trips that did not arrive", ["layer"], registry=registry
)
REJOINED = Counter(
    "channels_stack_memberships_rejoined",
    "Memberships of groups that Redis had lost and that were joined again",
    ["layer"],
    registry=registry,
)
RECEIVER_CONNECTS = Counter(
    "channels_stack_receiver_connects",
    "Connections that the groups layer has made to receive on: the first, and one after each that broke",
    registry=registry,
)
EVENTS_RECOVERED = Counter(
    "channels_stack_group_events_recovered",
    "Events of groups that did not arrive and were read from the history",
    registry=registry,
)
GROUPS_LOST = Counter(
    "channels_stack_groups_lost",
    "Times that a group had lost events in a process, and the history did not have them",
    registry=registry,
)
OVER_CAPACITY = Counter(
    "channels_stack_over_capacity",
    "Messages dropped because a channel, or the mailbox of a socket, was full",
    registry=registry,
)
LOG_LINES_DROPPED = Counter(
    "channels_stack_log_lines_dropped", "Log lines that standard output did not take", registry=registry
)
LOG_ERRORS = Counter("channels_stack_log_errors", "Log lines of level ERROR or worse", registry=registry)
JOBS = Counter(
    "channels_stack_jobs", "Worker jobs by what became of them", ["channel", "outcome"], registry=registry
)
JOB_SECONDS = Histogram(
    "channels_stack_job_seconds",
    "Time of a job in its handler",
    ["channel"],
    registry=registry,
    buckets=JOB_BUCKETS,
)
JOBS_IN_REDIS = Gauge(
    "channels_stack_jobs_in_redis",
    "Jobs in Redis by state: waiting, running, later (before another attempt), dead",
    ["channel", "state"],
    registry=registry,
    multiprocess_mode="livemax",
)
JOB_AGE = Gauge(
    "channels_stack_oldest_job_seconds",
    "Since the oldest job that is not done was sent",
    ["channel"],
    registry=registry,
    multiprocess_mode="livemax",
)

# Rules compare with what was before. A counter that appears with its first event has had none by then.
for _code, _who in (("1006", "client"), ("1011", "server"), ("1011", "application")):
    CLOSED.labels(_code, _who)
REJOINED.labels("default")
for _layer in ("default", "tasks"):
    LAYER_FAILURES.labels(_layer)


@dataclass
class Totals:
    """The counts of this process alone, for the console: Prometheus values cannot be read back."""

    sockets: int = 0
    accepted: int = 0
    messages_in: int = 0
    messages_out: int = 0
    requests: int = 0
    done: int = 0
    failed: int = 0
    first_attempts: int = 0
    first_failed: int = 0
    loop_lag_ms: float = 0.0
    layer_asked: bool = False
    layer_latency_ms: float | None = None


totals = Totals()


def render() -> tuple[str, bytes]:
    """Content type and body of a scrape: this process, or all of the container in multiprocess mode."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder is None:
        return CONTENT_TYPE_LATEST, generate_latest(registry)
    source = CollectorRegistry()
    prometheus_multiprocess.MultiProcessCollector(source)
    with _locked(folder, fcntl.LOCK_SH):
        return CONTENT_TYPE_LATEST, generate_latest(source)


async def arender() -> tuple[str, bytes]:
    """``render`` in a thread: with many processes it takes longer than an event loop may stand still."""
    return await asyncio.get_running_loop().run_in_executor(_rendering, render)


def child_exit(pid: int) -> None:
    """Take the gauges of the ended process ``pid`` out of the sums; what it has counted stays."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder is None:
        return
    with _locked(folder, fcntl.LOCK_EX):
        prometheus_multiprocess.mark_process_dead(pid)
        for kind in ("counter", "histogram"):
            _fold(os.path.join(folder, f"{kind}_{pid}.db"), os.path.join(folder, f"{kind}_{ENDED}.db"))


def _fold(path: str, into: str) -> None:
    """Add the values in the file ``path`` to those in the file ``into``, and remove it."""
    if not os.path.exists(path):
        return
    total = MmapedDict(into)
    try:
        for key, value, timestamp, _ in MmapedDict.read_all_values_from_file(path):
            total.write_value(key, total.read_value(key)[0] + value, timestamp)
    finally:
        total.close()
    os.unlink(path)


@contextlib.contextmanager
def _locked(folder: str, how: int) -> Iterator[None]:
    """No scrape may read while a process is folded, or it would count that twice."""
    with open(os.path.join(folder, "lock"), "a") as file:
        fcntl.flock(file, how)
        yield


def refused(reason: str) -> None:
    """Count a handshake refused before the application saw it. ``reason`` is a word of ours, never input."""
    REFUSED.labels(reason).inc()


def loop_lag(seconds: float) -> None:
    """Record the longest delay of the event loop since the last call."""
    LOOP_LAG.set(seconds)
    totals.loop_lag_ms = round(seconds * 1000, 1)


def checked(failed: dict[str, bool]) -> None:
    """Record for each check of readiness whether it fails."""
    for check, fails in failed.items():
        CHECK_FAILED.labels(check).set(fails)


def layer_latency(layer: str, seconds: float | None) -> None:
    """Record a round trip through ``layer``; None when it failed."""
    if seconds is None:
        LAYER_FAILURES.labels(layer).inc()
    else:
        LAYER_LATENCY.labels(layer).set(seconds)
    if layer == "default":
        totals.layer_asked = True
        totals.layer_latency_ms = None if seconds is None else round(seconds * 1000, 2)


def log_lines_dropped(count: int) -> None:
    """Record that ``count`` lines more were dropped."""
    LOG_LINES_DROPPED.inc(count)


def job(channel: str, outcome: str, seconds: float | None = None, *, first: bool = False) -> None:
    """Count a job of the worker; FIRST: this was the first attempt of it.

    ``outcome`` is taken; done or failed; then, of a failed one, retried or dead, or lost where another process had
    taken it over; redelivered, handed_back, and unreadable for what another layer delivered and no one can keep.
    """
    JOBS.labels(channel, outcome).inc()
    if seconds is not None:
        JOB_SECONDS.labels(channel).observe(seconds)
    if outcome == "done":
        totals.done += 1
    elif outcome in ("failed", "unreadable"):
        totals.failed += 1
    totals.first_attempts += first
    totals.first_failed += first and outcome == "failed"


@dataclass(frozen=True)
class Census:
    """How many jobs of a channel are where."""

    waiting: int  # in the channel, held by no worker
    running: int  # held by a process that renews its lease
    later: int  # failed, waiting for the next attempt
    dead: int
    oldest_seconds: float  # since the oldest job that is not done was sent; 0 when there is none


def jobs_in_redis(channel: str, census: Census) -> None:
    """Record where the jobs of ``channel`` are."""
    for state in ("waiting", "running", "later", "dead"):
        JOBS_IN_REDIS.labels(channel, state).set(getattr(census, state))
    JOB_AGE.labels(channel).set(census.oldest_seconds)


class OverCapacity(logging.Filter):
    """Counts the drops that channels_redis only logs, at INFO, and raises that line to WARNING."""

    LOGGER = "channels_redis.core"

    def filter(self, record: logging.LogRecord) -> bool:
        if "over capacity" in str(record.msg):
            dropped = record.args[0] if isinstance(record.args, tuple) and record.args else 1
            OVER_CAPACITY.inc(dropped if isinstance(dropped, int) else 1)
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


def instrument(app: App) -> App:
    """Count every request, socket and message that passes through ``app``."""

    def instrumented(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http":
            return _request(app, scope, receive, send)
        if scope["type"] == "websocket":
            return _Socket(scope, receive, send).run(app)
        return app(scope, receive, send)

    return instrumented


async def _request(app: App, scope: Scope, receive: Receive, send: Send) -> None:
    status = 500  # what the server answers when the application raises

    async def counted_send(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        await send(message)

    start = time.perf_counter()
    made = queries.Count()
    token = queries.counting.set(made)
    try:
        await app(scope, receive, counted_send)
    finally:
        QUERIES.observe(made.value)
        REQUESTS.labels(method_label(scope["method"]), f"{status // 100}xx").inc()
        LATENCY.observe(time.perf_counter() - start)
        totals.requests += 1
        with contextlib.suppress(
            ValueError
        ):  # a request that is ended from elsewhere ends in another context
            queries.counting.reset(token)


class _Socket:
    """One websocket, from its handshake to its end."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self.receive, self.send = scope, receive, send
        self.opened: float | None = None
        self.handling_since: float | None = None
        self.finished = False

    async def run(self, app: App) -> None:
        try:
            await app(self.scope, self.counted_receive, self.counted_send)
        except BaseException as error:
            if self.opened is not None:  # else Refusals answers, and counts with its reason
                self.finish(1012 if outage.cause(error) else 1011, "server")
            raise
        self.finish(1011, "server")  # the application has left without a word

    async def counted_receive(self) -> Message:
        if self.handling_since is not None:
            HANDLER.observe(time.perf_counter() - self.handling_since)
            self.handling_since = None
        message = await self.receive()
        if message["type"] == "websocket.receive":
            self.handling_since = time.perf_counter()
            totals.messages_in += 1
            _MESSAGES_IN.inc()
            _BYTES_IN.inc(_size(message))
        elif message["type"] == "websocket.disconnect":
            code = message.get("code") or 1005
            self.finish(code, "server" if code in SERVER_CODES else "client")
        return message

    async def counted_send(self, message: Message) -> None:
        await self.send(message)
        kind = message["type"]
        if kind == "websocket.send":
            totals.messages_out += 1
            _MESSAGES_OUT.inc()
            _BYTES_OUT.inc(_size(message))
        elif self.opened is None and getattr(self.scope.get(SOCKET), "refused", False):
            self.finished = (
                True  # it was counted with its reason, whatever the application answers afterwards
            )
        elif kind == "websocket.accept":
            self.opened = time.perf_counter()
            ACCEPTED.inc()
            SOCKETS.inc()
            totals.accepted += 1
            totals.sockets += 1
        elif kind == "websocket.close":
            self.finish(message.get("code") or 1000, "application")
        elif kind == "websocket.http.response.start":
            self.finish(1000, "application")

    def finish(self, code: int, who: str) -> None:
        """Count the end of the socket, the first time that it is known."""
        if self.finished:
            return
        self.finished = True
        if self.opened is None:
            REFUSED.labels("error" if code == 1011 else who).inc()
            return
        CLOSED.labels(_code_label(code), who).inc()
        AGE.observe(time.perf_counter() - self.opened)
        SOCKETS.dec()
        totals.sockets -= 1


def method_label(method: str) -> str:
    """``method``, or "other": some servers take any word for one."""
    return method if method in METHODS else "other"


def _code_label(code: int) -> str:
    return str(code) if code in NAMED_CODES else f"{code // 1000}xxx" if 3000 <= code <= 4999 else "other"


def _size(message: Message) -> int:
    # Of a text the characters: encoding each message only to count its bytes would cost more than it is worth.
    return len(message.get("text") or message.get("bytes") or "")
