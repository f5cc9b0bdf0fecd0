"""`channels-stack worker CHANNEL…`: consumers of worker channels, supervised.

Each channel is taken one message at a time: the next one leaves Redis when the handler of the last has
returned, so a stop or a crash costs at most what is being worked on. An exception costs its own message.
SIGTERM and SIGINT stop the taking, the running jobs get until STOP_SECONDS, what is not done by then goes
back to its channel, and the exit code is 0. A channel that is no longer listened to takes the process down
instead of leaving it deaf.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import signal
import time
from collections.abc import Sequence
from typing import Any

from redis.exceptions import RedisError

from . import application, endpoint, layers, metrics, status
from .asgi import App, Message
from .consuming import Consumer
from .environment import ConfigurationError
from .receiving import Stopped, receiver
from .settings import SERVICE_PORT, WORKER_HEARTBEAT, Settings

# What an outage of Redis raises. Anything else that a receive raises is about one message, which is lost
# already.
OUTAGE = (OSError, asyncio.TimeoutError, RedisError, layers.LayerError)
BACKOFF_BASE_SECONDS, BACKOFF_CAP_SECONDS = 0.2, 5
# So many messages in a row that cannot be read are no bad messages, but a wrong key or serializer of ours.
UNREADABLE_LIMIT = 100
HEARTBEAT_SECONDS = 2
# A receiver turns every second. One that has not for this long is deaf, unless it is handling a job.
DEAF_SECONDS = 10
# Kept of STOP_SECONDS for handing back and for closing connections.
CLOSE_SECONDS = 3

log = logging.getLogger(__name__)


def main(
    settings: Settings,
    channels: Sequence[str],
    port: int = SERVICE_PORT,
    heartbeat: str = WORKER_HEARTBEAT,
) -> int:
    """Consume ``channels`` until stopped; the exit code. Raises ConfigurationError when it cannot.

    ``port`` answers probes and metrics; the file ``heartbeat`` is renewed while every channel is listened to.
    """
    application.setup_django(settings, "worker")
    app = application.load(settings)
    check_channels(app, channels)
    return asyncio.run(Worker(settings, app, channels, port, heartbeat).run())


def check_channels(app: Any, channels: Sequence[str]) -> None:
    """Raise ConfigurationError unless ``app`` has a consumer for each channel and a layer to receive from."""
    problems: list[str] = []
    known = known_channels(app)
    names = ", ".join(sorted(known)) if known else "none"
    if not channels:
        problems.append(f"worker: APP_WORKER_CHANNELS is empty; the application consumes: {names}")
    if known is not None:
        problems += [
            f"worker: the application has no consumer for channel {channel!r}; it consumes: {names}"
            for channel in channels
            if channel not in known
        ]
    if not (layers.configured("tasks") or layers.configured("default")):
        problems.append("worker: CHANNEL_LAYERS has neither 'tasks' nor 'default': nothing to receive from")
    if problems:
        raise ConfigurationError(problems)


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
        self, settings: Settings, app: App, channels: Sequence[str], port: int, heartbeat: str
    ) -> None:
        self.settings, self.app, self.channels = settings, app, tuple(channels)
        self.port, self.heartbeat = port, heartbeat
        self.alias = "tasks" if layers.configured("tasks") else "default"
        self.running: dict[str, Message] = {}  # by channel, what is being worked on
        self.publisher = status.Publisher(settings, "worker", "channels-stack", self.channels, self.alias)
        self.cut = False

    async def run(self) -> int:
        """Consume until a signal or until a listener ends; the exit code."""
        from channels.layers import get_channel_layer

        self.layer = get_channel_layer(self.alias)
        _warn_about(self.layer, self.alias)
        self.stopping, self.hurried = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled, signal.Signals(number).name)
        self.receivers = {channel: receiver(self.layer, self.alias, channel) for channel in self.channels}
        self.consumers = {channel: Consumer(self.app, channel) for channel in self.channels}
        await self.publisher.start()
        server = await endpoint.start(self.port, self.healthy)
        heartbeat = asyncio.ensure_future(self._heartbeat())
        log.info("worker: listening on %s (channel layer %r)", ", ".join(self.channels), self.alias)
        try:
            code = await self._supervise()
        finally:
            heartbeat.cancel()
            server.close()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.heartbeat)
            await self.publisher.stop()
        await self._close()
        await asyncio.get_running_loop().run_in_executor(None, application.close_database_pools)
        log.info("worker: ended")
        if self.cut:
            # A thread that goes on with a job which was handed back would keep the process from ending.
            logging.shutdown()
            os._exit(code)
        return code

    def healthy(self) -> bool:
        """Whether every channel is either listened to or being worked on."""
        if self.stopping.is_set():
            return True  # a worker that ends its last job must not be killed for it
        now = time.monotonic()
        return all(
            channel in self.running or now - receiver.turned < DEAF_SECONDS
            for channel, receiver in self.receivers.items()
        )

    async def _supervise(self) -> int:
        listeners = {asyncio.ensure_future(self._listen(channel)): channel for channel in self.channels}
        stopping = asyncio.ensure_future(self.stopping.wait())
        ended, _ = await asyncio.wait({stopping, *listeners}, return_when=asyncio.FIRST_COMPLETED)
        deaf = [listener for listener in listeners if listener in ended and not self.stopping.is_set()]
        for listener in deaf:
            log.critical(
                "worker: channel %s is no longer listened to: ending",
                listeners[listener],
                exc_info=listener.exception(),
            )
        if deaf:
            self._stop("a listener ended")
        finished: asyncio.Future[Any] = asyncio.gather(*listeners, return_exceptions=True)
        hurried: asyncio.Future[Any] = asyncio.ensure_future(self.hurried.wait())
        grace = max(0, self.settings.stop_seconds - CLOSE_SECONDS)
        await asyncio.wait({finished, hurried}, timeout=grace, return_when=asyncio.FIRST_COMPLETED)
        await self._hand_back()
        for waiting in (finished, hurried, stopping):
            waiting.cancel()
        return 1 if deaf else 0

    def _signalled(self, name: str) -> None:
        """Stop; the second time, without waiting for running jobs."""
        if self.stopping.is_set():
            self.hurried.set()
        else:
            self._stop(name)

    def _stop(self, reason: str) -> None:
        jobs = ", ".join(self.running) or "none"
        log.info("worker: %s: taking no more messages; running jobs: %s", reason, jobs)
        self.stopping.set()
        self.publisher.draining = True
        for each in self.receivers.values():
            each.stop()

    async def _listen(self, channel: str) -> None:
        """Take and handle the messages of ``channel`` until stopped. Ends otherwise only by an exception."""
        outages = unreadable = 0
        while True:
            try:
                message = await self.receivers[channel].receive()
            except Stopped:
                return
            except OUTAGE as error:
                outages += 1
                await self._back_off(channel, outages, error)
                if self.stopping.is_set():
                    return
            except Exception:
                unreadable += 1
                metrics.job(channel, "unreadable")
                log.exception("channel %s: a message that cannot be read was dropped", channel)
                if unreadable >= UNREADABLE_LIMIT:
                    raise
            else:
                if outages:
                    log.warning("channel %s: receiving again", channel)
                outages = unreadable = 0
                await self._work(channel, message)

    async def _back_off(self, channel: str, attempt: int, error: BaseException) -> None:
        """Wait longer after each failure, with jitter, so that all workers do not come back at once."""
        seconds = min(BACKOFF_CAP_SECONDS, BACKOFF_BASE_SECONDS * 2 ** min(attempt, 10))
        seconds *= random.uniform(0.5, 1)
        what = f"{type(error).__name__}: {error}"
        log.warning(
            "channel %s: cannot receive (%s): attempt %d, next in %.1f s", channel, what, attempt, seconds
        )
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.stopping.wait(), seconds)

    async def _work(self, channel: str, message: Message) -> None:
        metrics.job(channel, "taken")
        start = time.perf_counter()
        self.running[channel] = message
        error: Exception | None = None
        try:
            if not isinstance(message.get("type"), str):
                keys = ", ".join(map(str, message)) or "none"
                raise ValueError(f"the message has no type; its keys are: {keys}")
            await self.consumers[channel].handle(message)
        except Exception as raised:
            error = raised
        self._settle(channel, message, error, time.perf_counter() - start)
        del self.running[channel]

    def _settle(self, channel: str, message: Message, error: Exception | None, seconds: float) -> None:
        """What becomes of a message after its handler: acknowledgement and retry belong here."""
        metrics.job(channel, "failed" if error else "done", seconds)
        if error:
            # The type only: what else is in a message may be nobody's business.
            log.error("channel %s: job of type %r failed", channel, message.get("type"), exc_info=error)

    async def _hand_back(self) -> None:
        """Put what is still running back into its channel: another worker begins it anew."""
        for channel, message in list(self.running.items()):
            self.cut = True
            kind = message.get("type")
            try:
                await asyncio.wait_for(self.layer.send(channel, dict(message)), CLOSE_SECONDS / 2)
            except Exception as error:
                metrics.job(channel, "failed")
                log.error("channel %s: job of type %r is cut off and lost: %s", channel, kind, error)
            else:
                metrics.job(channel, "handed_back")
                log.warning("channel %s: job of type %r takes too long: handed back", channel, kind)

    async def _close(self) -> None:
        ended = await asyncio.gather(*(consumer.close(1) for consumer in self.consumers.values()))
        self.cut = self.cut or not all(ended)
        if hasattr(self.layer, "close_pools"):
            # Waits for the removal of what was taken from the layer's own backup; otherwise it would come
            # again.
            with contextlib.suppress(*OUTAGE):
                await asyncio.wait_for(self.layer.close_pools(), 1)

    async def _heartbeat(self) -> None:
        """Renew the file that the health check looks at, as long as every channel is listened to."""
        deaf = False
        while True:
            if self.healthy():
                with open(self.heartbeat, "w") as file:
                    file.write(f"{time.time():.0f}\n")
            if deaf != (not self.healthy()):
                deaf = not deaf
                log.warning("worker: %s", "deaf, the heartbeat stops" if deaf else "listening again")
            await asyncio.sleep(HEARTBEAT_SECONDS)


def _warn_about(layer: Any, alias: str) -> None:
    kind = type(layer).__name__
    if "PubSub" in kind:
        log.warning("worker: layer %r is %s: every worker gets every job, or nobody does", alias, kind)
    elif "InMemory" in kind:
        log.warning("worker: layer %r is %s: no other process can send to this worker", alias, kind)
