"""One channel in one process: taking its jobs, working on them, and what becomes of each."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import random
import time
import traceback
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.exceptions import RedisError

from ..asgi.types import App, Message
from ..config.settings import Settings
from ..layers import config
from ..observability import metrics, tracing
from . import scripts
from .leases import Leases
from .queue import Job, Jobs, Unreadable
from .receiving import Receiver, Stopped
from .runner import Consumer

# What an outage of Redis raises.
OUTAGE = (OSError, asyncio.TimeoutError, RedisError, config.LayerError)
BACKOFF_BASE_SECONDS, BACKOFF_CAP_SECONDS = 0.2, 5
# Jobs are read ahead only as far as they will be done within this time, judged by the last ones: a job must
# not wait behind a long one while another process is idle.
AHEAD_SECONDS, AHEAD_LIMIT = 0.05, 64
# What was read ahead and has waited so long goes back.
HOARD_SECONDS = 1
RETRY_CAP_SECONDS = 3600
# A receiver turns every second. One that has not for this long receives nothing, unless it is handling a job.
STALLED_SECONDS = 10
# So many messages in a row that cannot be read are no bad messages, but a wrong key or serializer of ours.
UNREADABLE_LIMIT = 100
# What has ended within so much time is acknowledged together: a crash repeats at most as much.
ACKNOWLEDGE_SECONDS, ACKNOWLEDGED_AT_ONCE = 0.005, 500

T = TypeVar("T")

log = logging.getLogger("channels_stack.listening")


class Listener:
    """Takes the jobs of ``channel`` and works on up to ``concurrency`` of them at a time."""

    def __init__(
        self, settings: Settings, jobs: Jobs, leases: Leases, app: App, channel: str, concurrency: int
    ) -> None:
        self.settings, self.jobs, self.leases, self.channel = settings, jobs, leases, channel
        self.consumers = [Consumer(app, channel) for _ in range(concurrency)]
        self.bridge: Bridge | None = None
        self.waiting: deque[Job] = deque()  # taken, not begun
        self.running: dict[str, Message] = {}  # by entry, what is being worked on
        self.finished: list[Job] = []  # not yet acknowledged
        self.acknowledging: asyncio.Task[None] | None = None
        self.pace = AHEAD_SECONDS  # seconds of a job, estimated from the last ones
        self.stopping = asyncio.Event()
        self.cutting = False
        self.taking = asyncio.Lock()
        self.turned = time.monotonic()

    def start(self) -> list[asyncio.Task[None]]:
        """Begin. The returned tasks end when stopped, otherwise only by an exception."""
        tasks = [asyncio.ensure_future(self._work_off(consumer)) for consumer in self.consumers]
        if self.bridge:
            tasks.append(asyncio.ensure_future(self.bridge.run()))
        return tasks

    def stop(self) -> None:
        """Take no more jobs."""
        self.stopping.set()
        if self.bridge:
            self.bridge.stop()

    def listens(self) -> bool:
        """Whether the channel is either listened to or being worked on."""
        if self.running:
            return True
        now = time.monotonic()
        return now - self.turned < STALLED_SECONDS and not (self.bridge and self.bridge.stalled())

    async def tick(self) -> None:
        """To be called every second or so: give back what was read ahead in vain."""
        if self.waiting and time.monotonic() - self.waiting[0].taken > HOARD_SECONDS:
            self.pace = max(self.pace, HOARD_SECONDS)
            await self._give_back()

    async def cut(self, seconds: float) -> bool:
        """Cancel what is being worked on: it is neither done nor failed; whether all of it ended within ``seconds``."""
        self.cutting = True
        ended = await asyncio.gather(*(consumer.close(seconds) for consumer in self.consumers))
        return all(ended)

    async def finish(self) -> None:
        """Acknowledge what is done and give back the rest."""
        if self.acknowledging:
            await self.acknowledging
        for job in [job for job in list(self.leases.held.values()) if job.channel == self.channel]:
            if job.begun:
                self.waiting.append(job)
        await self._give_back()
        await self.jobs.forget(self.channel, leaving=True)

    async def _give_back(self) -> None:
        given, self.waiting = list(self.waiting), deque()
        for job in given:
            self.leases.let_go(job)
        await self.jobs.release(self.channel, [job for job in given if not job.lost])

    async def _work_off(self, consumer: Consumer) -> None:
        while not self.stopping.is_set():
            if self.waiting:
                await self._work(consumer, self.waiting.popleft())
                continue
            async with self.taking:
                if not self.waiting and not self.stopping.is_set():
                    await self._insist("cannot receive", self._take)

    async def _take(self) -> None:
        if self.bridge:
            self.bridge.hungry.set()
        for job in await self.jobs.take(self.channel, self._ahead()):
            self.leases.hold(job)
            self.waiting.append(job)
        self.turned = time.monotonic()

    def _ahead(self) -> int:
        return max(1, min(AHEAD_LIMIT, int(AHEAD_SECONDS / self.pace)))

    async def _work(self, consumer: Consumer, job: Job) -> None:
        if not await self._still_ours(job):
            return
        metrics.job(self.channel, "taken")
        if job.redelivered:
            metrics.job(self.channel, "redelivered")
            holder = "one that ended" if job.taken_from == scripts.RELEASED else job.taken_from
            log.warning(
                "channel %s: job %s comes again: another process had it (%s)", self.channel, job.first, holder
            )
        try:
            message = job.message()
            if job.deliveries > self.settings.worker_retries + 1:
                raise Unreadable(
                    f"{job.deliveries - 1} processes had it and none lived to say what became of it"
                )
        except Unreadable as unreadable:
            await self._bury(job, str(unreadable))
            return
        with tracing.handling(message):
            await self._handle(consumer, job, message)

    async def _handle(self, consumer: Consumer, job: Job, message: Message) -> None:
        job.begun = True
        self.running[job.entry] = message
        error: Exception | None = None
        start = time.perf_counter()
        try:
            await consumer.handle(
                message, id=job.first, sent=job.sent, attempt=job.attempts + 1, redelivered=job.redelivered
            )
        except Exception as raised:
            if self.cutting:
                return  # it is handed back
            error = raised
        seconds = time.perf_counter() - start
        self.pace = max(seconds, self.pace * 0.8)
        del self.running[job.entry]
        metrics.job(self.channel, "failed" if error else "done", seconds, first=not job.attempts)
        if error:
            await self._fail(job, message, error)
        else:
            self._done(job)

    async def _still_ours(self, job: Job) -> bool:
        """False when the lease has run out before the job was begun, and another process holds it."""
        if not job.lost and time.monotonic() - job.leased > self.jobs.lease / 2:
            await self._insist("cannot renew a lease", lambda: self.jobs.renew(self.channel, [job]))
        if job.lost:
            self.leases.let_go(job)
        return not job.lost

    def _done(self, job: Job) -> None:
        """Acknowledge while the next job runs: several that end meanwhile go together."""
        self.finished.append(job)
        if self.acknowledging is None or self.acknowledging.done():
            self.acknowledging = asyncio.ensure_future(self._acknowledge())

    async def _acknowledge(self) -> None:
        while self.finished:
            if not self.stopping.is_set():
                await asyncio.sleep(ACKNOWLEDGE_SECONDS)
            batch = self.finished[:ACKNOWLEDGED_AT_ONCE]
            entries = [job.entry for job in batch]
            acknowledge = functools.partial(self.jobs.done, self.channel, entries)
            lost = await self._insist("cannot acknowledge", acknowledge)
            del self.finished[: len(batch)]
            for job in batch:
                self.leases.let_go(job)
                if lost and job.entry in lost:
                    self._lost(job)

    async def _fail(self, job: Job, message: Message, error: Exception) -> None:
        # The type only: what else is in a message may be private.
        kind, attempts = message.get("type"), job.attempts + 1
        if attempts > self.settings.worker_retries:
            log.error(
                "channel %s: job of type %r failed and is not retried", self.channel, kind, exc_info=error
            )
            trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
            await self._bury(job, f"{type(error).__name__}: {error}"[:500], trace[-8000:])
            return
        seconds = min(RETRY_CAP_SECONDS, self.settings.worker_retry_seconds * 2**job.attempts)
        seconds *= random.uniform(0.75, 1.25)  # what failed together need not come again together
        wording = "channel %s: job of type %r failed, attempt %d of %d, next in %.1f s"
        limit = self.settings.worker_retries + 1
        log.error(wording, self.channel, kind, attempts, limit, seconds, exc_info=error)
        ours = await self._insist("cannot put off a job", lambda: self.jobs.retry(job, seconds))
        self._settled(job, "retried", ours)

    async def _bury(self, job: Job, reason: str, trace: str = "") -> None:
        ours = await self._insist("cannot write a dead letter", lambda: self.jobs.bury(job, reason, trace))
        if ours:
            log.error(
                "channel %s: job %s became a dead letter (`channels-stack dead`)", self.channel, job.first
            )
        self._settled(job, "dead", ours)

    def _settled(self, job: Job, outcome: str, ours: bool | None) -> None:
        """Count what Redis says has become of ``job``: it was ours or not, or (None) Redis gave no answer."""
        self.leases.let_go(job)
        if ours:
            metrics.job(self.channel, outcome)
        elif ours is not None:
            self._lost(job)

    def _lost(self, job: Job) -> None:
        metrics.job(self.channel, "lost")
        log.warning(
            "channel %s: job %s was lost to another process meanwhile: that one settles it",
            self.channel,
            job.first,
        )

    async def _insist(self, what: str, step: Callable[[], Awaitable[T]]) -> T | None:
        """What ``step`` returns. While Redis is unavailable, again and again, until the worker is to stop: then None."""
        for attempt in range(1, 1_000_000):
            try:
                answer = await step()
            except OUTAGE as error:
                if self.stopping.is_set() and attempt > 1:
                    log.error("channel %s: %s: given up: %s", self.channel, what, error)
                    break
                await back_off(self.channel, what, attempt, error, self.stopping)
            else:
                if attempt > 1:
                    log.warning("channel %s: works again", self.channel)
                return answer
        return None


class Bridge:
    """Moves the messages of a channel of another layer into the jobs of that channel, one at a time.

    So that what holds for jobs holds on any layer, but for the moment between the two: no read-ahead beyond
    one message, acknowledgement, retries, dead letters.
    """

    def __init__(self, receiver: Receiver, jobs: Jobs, channel: str) -> None:
        self.receiver, self.jobs, self.channel = receiver, jobs, channel
        self.hungry, self.stopping = asyncio.Event(), asyncio.Event()
        self.receiving = False

    async def run(self) -> None:
        """Move a message whenever ``hungry`` is set, until stopped."""
        outages = unreadable = 0
        while not self.stopping.is_set():
            await self.hungry.wait()
            self.hungry.clear()
            self.receiver.turned, self.receiving = time.monotonic(), True
            try:
                message = await self.receiver.receive()
            except Stopped:
                return
            except OUTAGE as error:
                outages += 1
                self.hungry.set()
                await back_off(self.channel, "cannot receive", outages, error, self.stopping)
            except Exception:
                # It is about one message, which is lost already.
                unreadable += 1
                metrics.job(self.channel, "unreadable")
                log.exception("channel %s: a message that cannot be read was dropped", self.channel)
                self.hungry.set()
                if unreadable >= UNREADABLE_LIMIT:
                    raise
            else:
                if outages:
                    log.warning("channel %s: receiving again", self.channel)
                outages = unreadable = 0
                await self._keep(message)
            finally:
                self.receiving = False

    def stop(self) -> None:
        """Let ``run`` end as soon as it has nothing in hand."""
        self.stopping.set()
        self.hungry.set()
        self.receiver.stop()

    def stalled(self) -> bool:
        """Whether it waits for a message without having listened for one."""
        return self.receiving and time.monotonic() - self.receiver.turned > STALLED_SECONDS

    async def _keep(self, message: Message) -> None:
        attempt = 0
        while True:
            attempt += 1
            try:
                await self.jobs.add(self.channel, message, capacity=2**53)
                return
            except OUTAGE as error:
                if self.stopping.is_set() and attempt > 3:
                    log.error("channel %s: a message is lost: %s", self.channel, error)
                    return
                await back_off(self.channel, "cannot keep a message", attempt, error, self.stopping)
            except (TypeError, ValueError, OverflowError) as error:
                # A layer within the process carries anything.
                metrics.job(self.channel, "unreadable")
                log.error("channel %s: a message that cannot be kept was dropped: %s", self.channel, error)
                return


async def back_off(
    channel: str, what: str, attempt: int, error: BaseException, stopping: asyncio.Event
) -> None:
    """Wait longer after each failure, with jitter, so that all workers do not reconnect at once."""
    seconds = min(BACKOFF_CAP_SECONDS, BACKOFF_BASE_SECONDS * 2 ** min(attempt, 10))
    seconds *= random.uniform(0.5, 1)
    cause = f"{type(error).__name__}: {error}"
    log.warning("channel %s: %s (%s): attempt %d, next in %.1f s", channel, what, cause, attempt, seconds)
    if stopping.is_set():
        await asyncio.sleep(BACKOFF_BASE_SECONDS)
        return
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds)
