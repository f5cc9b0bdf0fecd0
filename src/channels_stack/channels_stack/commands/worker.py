"""`channels-stack worker CHANNEL…`: consumers of worker channels, supervised.

Each channel is worked on one job at a time, unless asked otherwise, and a job stays in Redis until its handler
has returned: a stop or a crash loses none. An exception costs its own job, which is tried again later and
becomes a dead letter in the end. SIGTERM and SIGINT stop the taking, the running jobs get until STOP_SECONDS,
what is not done by then goes back to its channel, and the exit code is 0. A channel that is no longer listened
to takes the process down instead of leaving it running without receiving.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Coroutine, Sequence
from typing import Any

from ..asgi.types import App
from ..config.environment import ConfigurationError, Problem
from ..config.settings import SERVICE_PORT, WORKER_HEARTBEAT, Settings
from ..jobs import health_server, supervised
from ..jobs import queue as jobs
from ..jobs.heartbeats import Heartbeat
from ..jobs.leases import Leases
from ..jobs.listener import OUTAGE, Bridge, Listener
from ..jobs.receiving import receiver
from ..layers import config
from ..lifecycle import startup_checks
from ..lifecycle.canary import Canaries
from ..observability import metrics, tracing
from ..patches import channels_dispatch, channels_hop
from ..project import loading
from ..status import publisher

HEARTBEAT_SECONDS = 1
# Kept of STOP_SECONDS for handing back and for closing connections.
CLOSE_SECONDS = 3

log = logging.getLogger("channels_stack.worker")


def main(
    settings: Settings,
    channels: Sequence[str],
    port: int = SERVICE_PORT,
    heartbeat: str = WORKER_HEARTBEAT,
    concurrency: int = 1,
) -> int:
    """Consume ``channels`` until stopped; the exit code. Raises ConfigurationError when it cannot.

    ``port`` answers probes and metrics (0: none does); the file ``heartbeat`` is renewed while every channel is
    listened to; ``concurrency`` is how many jobs of a channel run at a time.
    """
    loading.setup_django(settings, "worker")
    channels_hop.apply()
    channels_dispatch.apply()
    app = loading.load(settings)
    tracing.start(settings, "worker")
    problems: list[Problem | str] = [
        *channel_problems(app, channels),
        *startup_checks.problems(settings, "worker"),
    ]
    if problems:
        raise ConfigurationError(problems)
    return _run(Worker(settings, app, channels, port, heartbeat, concurrency).run())


def _run(main: Coroutine[Any, Any, int]) -> int:
    """On uvloop where it is installed: a third less work for each job."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    code: int = uvloop.run(main)
    return code


def channel_problems(app: Any, channels: Sequence[str]) -> list[str]:
    """What is wrong unless ``app`` has a consumer for each channel and a layer to receive from."""
    problems: list[str] = []
    known = known_channels(app)
    names = ", ".join(sorted(known)) if known else "none"
    if not channels:
        problems.append(f"worker: APP_WORKER_CHANNELS is empty; the application consumes: {names}")
    if known is not None:
        problems += [
            f"worker: the application has no consumer for channel {channel!r}; it consumes: {names}; "
            "APP_WORKER_CHANNELS names those to work on, empty: there is no worker"
            for channel in channels
            if channel not in known
        ]
    if not (config.configured("tasks") or config.configured("default")):
        problems.append("worker: CHANNEL_LAYERS has neither 'tasks' nor 'default': nothing to receive from")
    return problems


def known_channels(app: Any) -> tuple[str, ...] | None:
    """The channels that ``app`` routes to consumers; None when its router is of a kind that does not tell."""
    protocols = _mapping(app)
    if protocols is None:
        return None
    if "channel" not in protocols:
        return ()
    consumers = _mapping(protocols["channel"])
    return None if consumers is None else tuple(consumers)


def _mapping(app: Any) -> dict[str, Any] | None:
    """What a ProtocolTypeRouter or ChannelNameRouter routes, looked for behind the usual wrappers."""
    while app is not None:
        mapping = getattr(app, "application_mapping", None)
        if isinstance(mapping, dict):
            return mapping
        inner = (getattr(app, name, None) for name in ("inner", "application", "app"))
        app = next((app for app in inner if app is not None), None)
    return None


class Worker:
    """The listeners of one process and what supervises them."""

    def __init__(
        self,
        settings: Settings,
        app: App,
        channels: Sequence[str],
        port: int,
        heartbeat: str,
        concurrency: int,
    ) -> None:
        self.settings, self.app, self.channels = settings, app, tuple(channels)
        self.port, self.heartbeat, self.concurrency = port, Heartbeat(heartbeat), concurrency
        self.alias = "tasks" if config.configured("tasks") else "default"
        self.publisher = publisher.Publisher(settings, "worker", "channels-stack", self._backlog)
        # What consumers join on `default`, and the mailboxes of consumers, are looked after as in a serving process.
        self.canaries = Canaries()
        self.listeners: list[Listener] = []
        self.cut = False

    async def run(self) -> int:
        """Consume until a signal or until a listener ends; the exit code."""
        from channels.layers import get_channel_layer

        self.layer = get_channel_layer(self.alias)
        _warn_about(self.layer, self.alias)
        self.jobs = jobs.of_layer(self.settings, self.layer)
        self.stopping, self.hurried = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled, signal.Signals(number).name)
        leases = Leases(self.jobs)
        leases.start()
        self.listeners = [self._listener(leases, channel) for channel in self.channels]
        await self.canaries.start()
        await self.publisher.start()
        server = await health_server.start(self.port, self.healthy) if self.port else None
        log.info("worker: listening on %s (channel layer %r)", ", ".join(self.channels), self.alias)
        try:
            code = await self._supervise()
        finally:
            if server:
                server.close()
            self.heartbeat.end()
            # Both say good-bye to Redis, which may hang: the jobs need the time that is left.
            await _at_most(CLOSE_SECONDS / 3, self.publisher.stop(), self.canaries.stop())
        await asyncio.gather(*(self._finish(listener) for listener in self.listeners))
        leases.stop()
        await self._close()
        await asyncio.get_running_loop().run_in_executor(None, loading.close_database_pools)
        await asyncio.get_running_loop().run_in_executor(None, tracing.stop, CLOSE_SECONDS / 3)
        log.info("worker: ended")
        if self.cut:
            # A thread that goes on with a job which was handed back would keep the process from ending.
            logging.shutdown()
            os._exit(code)
        return code

    def healthy(self) -> bool:
        """Whether every channel is either listened to or being worked on."""
        # A worker that ends its last job must not be killed for it.
        return self.stopping.is_set() or all(listener.listens() for listener in self.listeners)

    def _listener(self, leases: Leases, channel: str) -> Listener:
        listener = Listener(self.settings, self.jobs, leases, self.app, channel, self.concurrency)
        if self.jobs is not getattr(self.layer, "jobs", None):
            listener.bridge = Bridge(receiver(self.layer, self.alias, channel), self.jobs, channel)
        return listener

    async def _supervise(self) -> int:
        """Let the listeners and their chores run until a signal or until one of them ends; the exit code."""
        listening = {
            task: f"channel {listener.channel} is no longer listened to"
            for listener in self.listeners
            for task in listener.start()
        }
        chores = {
            asyncio.ensure_future(self._heartbeat()): "the heartbeat has ended",
            **{asyncio.ensure_future(_tidy(listener)): "a chore has ended" for listener in self.listeners},
        }
        tasks = {**listening, **chores}
        stopping = asyncio.ensure_future(self.stopping.wait())
        ended, _ = await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        broken = [task for task in tasks if task in ended and not self.stopping.is_set()]
        for task in broken:
            log.critical("worker: %s: ending", tasks[task], exc_info=task.exception())
        if broken:
            self._stop("it cannot work on")
        waiting: set[asyncio.Future[Any]] = {
            asyncio.ensure_future(asyncio.wait(set(listening))),
            asyncio.ensure_future(self.hurried.wait()),
        }
        grace = max(0, self.settings.stop_seconds - CLOSE_SECONDS)
        await asyncio.wait(waiting, timeout=grace, return_when=asyncio.FIRST_COMPLETED)
        await self._cut()
        leftover = {stopping, *waiting, *(task for task in tasks if not task.done())}
        for late in leftover:
            late.cancel()
        await asyncio.gather(*leftover, return_exceptions=True)
        return 1 if broken else 0

    async def _cut(self) -> None:
        """End what still runs, before it is handed back: no other process may begin it meanwhile."""
        cut = [listener for listener in self.listeners if listener.running]
        self.cut = bool(cut)
        for listener in cut:
            names = ", ".join(repr(message.get("type")) for message in listener.running.values())
            log.warning("channel %s: takes too long, cut off: jobs of type %s", listener.channel, names)
        await asyncio.gather(*(listener.cut(CLOSE_SECONDS / 3) for listener in cut))

    async def _finish(self, listener: Listener) -> None:
        channel, running = listener.channel, [message.get("type") for message in listener.running.values()]
        try:
            await asyncio.wait_for(listener.finish(), CLOSE_SECONDS / 3)
        except Exception as error:
            log.error("channel %s: jobs not handed back, they come again in a while: %s", channel, error)
            return
        for kind in running:
            metrics.job(channel, "handed_back")
            log.warning("channel %s: job of type %r handed back", channel, kind)

    def _signalled(self, name: str) -> None:
        """Stop; the second time, without waiting for running jobs."""
        if self.stopping.is_set():
            self.hurried.set()
        else:
            self._stop(name)

    def _stop(self, reason: str) -> None:
        jobs = ", ".join(listener.channel for listener in self.listeners if listener.running) or "none"
        log.info("worker: %s: taking no more messages; running jobs: %s", reason, jobs)
        self.stopping.set()
        self.publisher.draining = True
        for listener in self.listeners:
            listener.stop()

    async def _close(self) -> None:
        consumers = [consumer for listener in self.listeners for consumer in listener.consumers]
        ended = await asyncio.gather(*(consumer.close(1) for consumer in consumers))
        self.cut = self.cut or not all(ended)
        if hasattr(self.layer, "close_pools"):
            # channels_redis waits here for the removal of what was taken from its own backup; otherwise it would
            # come again.
            with contextlib.suppress(*OUTAGE):
                await asyncio.wait_for(self.layer.close_pools(), 1)

    async def _heartbeat(self) -> None:
        """Renew the file that the health check looks at, as long as every channel is listened to."""
        stalled, parent = False, os.getppid()
        while True:
            if self.healthy():
                self.heartbeat.beat()
            if stalled != (not self.healthy()):
                stalled = not stalled
                log.warning(
                    "worker: %s", "not receiving, the heartbeat stops" if stalled else "receiving again"
                )
            if supervised.REPORTED in os.environ and os.getppid() != parent and not self.stopping.is_set():
                self._stop("the supervisor is gone")
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def _backlog(self) -> dict[str, int]:
        """How many jobs wait in each channel."""
        backlog = {}
        for channel in self.channels:
            census = await self.jobs.census(channel)
            metrics.jobs_in_redis(channel, census)
            backlog[channel] = census.waiting + census.later
            if self.jobs is not getattr(self.layer, "jobs", None):
                backlog[channel] += await jobs.backlog(self.alias, channel) or 0
        return backlog


async def _tidy(listener: Listener) -> None:
    """Let ``listener`` give back what it has read ahead in vain. It waits for Redis; the heartbeat must not."""
    while True:
        with contextlib.suppress(*OUTAGE):
            await listener.tick()
        await asyncio.sleep(HEARTBEAT_SECONDS)


async def _at_most(seconds: float, *steps: Coroutine[Any, Any, None]) -> None:
    """Do ``steps`` at the same time, for no longer than ``seconds``; what fails is logged and ends no other."""
    tasks = [asyncio.ensure_future(step) for step in steps]
    _, late = await asyncio.wait(tasks, timeout=seconds)
    for task in late:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            log.warning("worker: at the end: %s: %s", type(outcome).__name__, outcome)


def _warn_about(layer: Any, alias: str) -> None:
    kind = type(layer).__name__
    if "PubSub" in kind:
        log.warning("worker: layer %r is %s: every worker gets every job, or none does", alias, kind)
    elif "InMemory" in kind:
        log.warning("worker: layer %r is %s: no other process can send to this worker", alias, kind)
