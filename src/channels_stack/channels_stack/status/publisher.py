"""What every process of the stack last reported.

Each process publishes a small JSON text to Redis every 2 s, under ``PREFIX:status:SERVICE:HOST:PID`` with an
expiry of 10 s, so that a process that is gone is soon forgotten. ``processes`` reads them all: the console
needs nothing else. Keys: service, server, host, pid, release (tag of its
image), started (Unix seconds),
draining, sockets, accepted, messages_in, messages_out, requests, loop_lag_ms, layer_asked (whether a round trip
through the layer ``default`` has ended), layer_latency_ms (null: it gave no answer, or was not asked), backlog
(worker: waiting jobs by channel), troubles (the last answer of /-/ready, reasons and warnings, by name of the check),
done, failed (attempts of jobs), first_attempts, first_failed (of those that were tried for the first time),
rss_bytes. The reader adds silent_seconds and state: running, draining, or silent (it missed a report:
killed, stuck, or cut off from Redis).

Redis commands used: SET, SCAN, GET, PTTL, and what ``series`` and a worker's backlog need.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import json
import logging
import os
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any

import redis

from ..config.environment import Environment
from ..config.settings import Settings
from ..layers import config
from ..observability import logs, metrics
from ..stores import sentinels
from . import series

PUBLISH_SECONDS = 2
EXPIRY_SECONDS = 10  # four reports may get lost before a process counts as gone
SILENT_SECONDS = 2 * PUBLISH_SECONDS  # a report is missing
LATENCY_SECONDS = 5
LATENCY_TIMEOUT_SECONDS = 2
LAG_SECONDS = 0.25  # each look wakes the process up, which costs some 0.1 ms
# The console must not hang with Redis, nor hold up what publishes.
REDIS_OPTIONS: dict[str, Any] = {"socket_timeout": 2, "socket_connect_timeout": 2}

log = logging.getLogger("channels_stack.status")


class Publisher:
    """Publishes the state of this process until stopped. ``draining`` is set by whoever drains."""

    def __init__(
        self,
        settings: Settings,
        service: str,
        server: str,
        backlog: Callable[[], Awaitable[dict[str, int]]] | None = None,
        troubles: Callable[[], dict[str, str]] = dict,
    ) -> None:
        self.redis_url, self.prefix = settings.redis_url, settings.redis_prefix
        self.service, self.server, self.backlog, self.troubles = service, server, backlog, troubles
        self.host, self.pid, self.started = socket.gethostname(), os.getpid(), round(time.time(), 3)
        self.release = os.environ.get("RUNNING_IMAGE", "").rpartition(":")[2]
        self.draining = False
        self.sampler = series.Sampler(self.prefix)
        self.outages: set[str] = set()
        self.tasks: list[asyncio.Task[None]] = []

    @property
    def address(self) -> str:
        """The name of this process among all of the stack."""
        return f"{self.service}:{self.host}:{self.pid}"

    @property
    def key(self) -> str:
        return f"{self.prefix}:status:{self.address}"

    async def start(self) -> None:
        """Begin measuring and publishing."""
        self.client = sentinels.async_client(self.redis_url, **REDIS_OPTIONS)
        self.tasks = [
            asyncio.ensure_future(_measure_lag()),
            asyncio.ensure_future(self._repeat("channel layer", self._measure_latency, LATENCY_SECONDS)),
            asyncio.ensure_future(self._repeat("status", self._publish, PUBLISH_SECONDS)),
        ]

    async def stop(self) -> None:
        """End, and take this process off the list."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.tasks = []
        with contextlib.suppress(redis.RedisError, OSError):
            await self.client.delete(self.key)
        await _close(self.client)

    async def _repeat(self, what: str, step: Callable[[], Awaitable[None]], seconds: float) -> None:
        """Do ``step`` every ``seconds``; an outage is logged when it begins and when it ends."""
        while True:
            try:
                await step()
            except Exception as error:
                if what not in self.outages:
                    log.warning("%s: %s: %s (logged once, retrying)", what, type(error).__name__, error)
                self.outages.add(what)
            else:
                if what in self.outages:
                    log.warning("%s: works again", what)
                self.outages.discard(what)
            await asyncio.sleep(seconds)

    async def _measure_latency(self) -> None:
        if not config.configured("default"):
            return
        try:
            seconds = await config.round_trip("default", LATENCY_TIMEOUT_SECONDS, within=LATENCY_SECONDS)
            metrics.layer_latency("default", seconds)
        except config.LayerError:
            metrics.layer_latency("default", None)
            raise

    async def _publish(self) -> None:
        report = await self.report()
        await self.client.set(self.key, json.dumps(report), ex=EXPIRY_SECONDS)
        await self.sampler.add(self.client, report)

    async def report(self) -> dict[str, Any]:
        """What is published now."""
        backlog = await self.backlog() if self.backlog else {}
        return {
            "service": self.service,
            "server": self.server,
            "host": self.host,
            "pid": self.pid,
            "release": self.release,
            "started": self.started,
            "draining": self.draining,
            **dataclasses.asdict(metrics.totals),
            "backlog": backlog,
            "troubles": self.troubles(),
            "rss_bytes": _rss_bytes(),
        }


async def _measure_lag() -> None:
    """A timer that fires late says how long everything else in this process had to wait."""
    loop = asyncio.get_running_loop()
    worst, since, dropped = 0.0, loop.time(), 0
    while True:
        due = loop.time() + LAG_SECONDS
        await asyncio.sleep(LAG_SECONDS)
        worst = max(worst, loop.time() - due)
        if loop.time() - since >= PUBLISH_SECONDS:
            metrics.loop_lag(worst)
            metrics.log_lines_dropped(logs.dropped() - dropped)
            dropped = logs.dropped()
            worst, since = 0.0, loop.time()


def _rss_bytes() -> int:
    """Resident memory of this process; 0 where there is no /proc."""
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


async def _close(client: Any) -> None:
    # redis-py 5 renamed close() and warns about the old name.
    await (client.aclose() if hasattr(client, "aclose") else client.close())


def processes() -> list[dict[str, Any]]:
    """What every process of the stack last reported, sorted by service, host and pid.

    REDIS_URL and REDIS_PREFIX of the environment say where to look. Raises redis.RedisError when Redis is
    away.
    """
    url, prefix = _source()
    client = _client(url)
    keys = list(client.scan_iter(match=f"{prefix}:status:*", count=1000))
    return _decode(_asked(client.pipeline(transaction=False), keys).execute())


async def aprocesses() -> list[dict[str, Any]]:
    """``processes`` for async code."""
    url, prefix = _source()
    client = sentinels.async_client(url, **REDIS_OPTIONS)
    try:
        return await read(client, prefix)
    finally:
        await _close(client)


async def read(client: Any, prefix: str) -> list[dict[str, Any]]:
    """``processes`` of the stack with ``prefix``, by an asynchronous ``client``."""
    keys = [key async for key in client.scan_iter(match=f"{prefix}:status:*", count=1000)]
    return _decode(await _asked(client.pipeline(transaction=False), keys).execute())


def _source() -> tuple[str, str]:
    env = Environment()
    source = env.secret("REDIS_URL"), env.text("REDIS_PREFIX", "channels-stack")
    env.check()
    return source


@functools.lru_cache(maxsize=4)
def _client(url: str) -> redis.Redis:
    """One client, and so one connection pool, per address: the console reads every few seconds."""
    return sentinels.client(url, **REDIS_OPTIONS)


def _asked(pipeline: Any, keys: list[Any]) -> Any:
    """``pipeline`` with the questions whose answers ``_decode`` takes."""
    for key in keys:
        pipeline.get(key)
        pipeline.pttl(key)
    return pipeline


def _decode(answers: list[Any]) -> list[dict[str, Any]]:
    reports = []
    for text, left_ms in zip(answers[::2], answers[1::2]):
        if text is None or left_ms < 0:  # expired since it was found
            continue
        report = json.loads(text)
        # By Redis's clock: those of two hosts may differ.
        silent = max(EXPIRY_SECONDS - left_ms / 1000, 0.0)
        state = "silent" if silent > SILENT_SECONDS else "draining" if report["draining"] else "running"
        reports.append({**report, "silent_seconds": round(silent, 1), "state": state})
    return sorted(reports, key=lambda report: (report["service"], report["host"], report["pid"]))
