"""Proof, every few seconds, that an event loop receives, and that none of its groups has missed anything.

The *pulse* is published to our own inbox: it shows that the Redis that we send to is the one that we receive from, that we
are subscribed there and that the connection lives. A pulse that has no receiver is known at once; one that has, but does
not arrive, within SILENCE_SECONDS. Then the receiving connection is made again.

The *check* compares the positions of all groups with Redis, in one script for each 200 of them: at once after a new
connection, then every CHECK_SECONDS. A group that differs has perhaps events on their way; it has GRACE_SECONDS for them,
then it recovers.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Iterable
from functools import partial
from typing import Callable

from ..stores import outage
from ..stores.connections import Connections
from .group import Group
from .history import History
from .subscriptions import SILENCE_SECONDS, Subscriptions

log = logging.getLogger(__name__)

PULSE_SECONDS = 3
CHECK_SECONDS = 8
GRACE_SECONDS = 0.5
# A pulse that cannot be sent shows nothing of the receiving connection.
SEND_SECONDS = 3
# Groups that recover at the same time.
AT_ONCE = 16
# A timer that is late by so much shows that this process is too busy to hear.
BUSY_SECONDS = 1
PULSE = b"*"


class Watch:
    """Runs as long as its event loop; ``sweep`` is called with each pulse."""

    def __init__(
        self,
        inbox: str,
        connections: Connections,
        history: History,
        subscriptions: Subscriptions,
        groups: Callable[[], Iterable[Group]],
        sweep: Callable[[], None],
    ) -> None:
        self._inbox, self._connections, self._history = inbox, connections, history
        self._subscriptions, self._groups, self._sweep = subscriptions, groups, sweep
        self._due = asyncio.Event()
        self._missing = 0  # pulses in a row that were not received
        self._tasks: list[asyncio.Task[None]] = []
        self._seldom = outage.Seldom()
        self.sent = 0.0  # time.perf_counter() of the last pulse

    def start(self, ended: Callable[[], None]) -> None:
        """Begin, unless it has; ``ended`` is called when it ends, which it does with its event loop."""
        if not self._tasks:
            self._tasks = [asyncio.ensure_future(self._pulse()), asyncio.ensure_future(self._check())]
            self._tasks[0].add_done_callback(lambda _: ended())

    async def stop(self) -> None:
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def check_now(self) -> None:
        """There is a new connection: what was published before it may be missing."""
        self._due.set()

    async def _pulse(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            begun = loop.time()
            due = begun + PULSE_SECONDS * random.uniform(0.8, 1.2)
            await asyncio.sleep(due - begun)
            self._sweep()
            busy = loop.time() - due > BUSY_SECONDS
            await self._guarded("pulse", self._beat, SEND_SECONDS)
            if self._subscriptions.stuck and not busy:
                self._subscriptions.reset(f"nothing was received for {SILENCE_SECONDS} s")

    async def _beat(self) -> None:
        client = await self._connections.client()
        self.sent = time.perf_counter()
        got = await client.publish(self._inbox, PULSE)
        self._missing = 0 if got or not self._subscriptions.connected else self._missing + 1
        if self._missing > 1:  # the first may have met a subscription under way
            self._missing = 0
            self._subscriptions.reset("it is not subscribed where this process sends to")

    async def _check(self) -> None:
        while True:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._due.wait(), CHECK_SECONDS * random.uniform(0.75, 1.25))
            at_once = self._due.is_set()
            self._due.clear()
            done = await self._guarded("check", partial(self._compare, 0 if at_once else GRACE_SECONDS))
            if at_once and not done:
                await asyncio.sleep(random.uniform(0.2, 0.5))
                self._due.set()

    async def _compare(self, grace: float) -> None:
        groups = await self._differing(self._groups())
        if groups and grace:
            before = {group.name: group.position for group in groups}
            await asyncio.sleep(grace)
            # One that has moved meanwhile is alive; one that has stayed has a hole at its end.
            groups = [group for group in groups if group.members and group.position == before[group.name]]
            groups = await self._differing(groups)
        room = asyncio.Semaphore(AT_ONCE)

        async def one(group: Group) -> None:
            async with room:
                await group.recover()

        await asyncio.gather(*map(one, groups), return_exceptions=True)

    async def _differing(self, groups: Iterable[Group]) -> list[Group]:
        known = {
            group.name: (group, group.position)
            for group in groups
            if group.position is not None and group.members and not group.recovering
        }
        pairs = [(name, position) for name, (_, position) in known.items() if position is not None]
        if not pairs:
            return []
        return [known[name][0] for name in await self._history.differing(pairs)]

    async def _guarded(
        self, what: str, step: Callable[[], Awaitable[None]], limit: float | None = None
    ) -> bool:
        """Do ``step``; whether it went well. Nothing that it raises ends the watch."""
        try:
            await asyncio.wait_for(step(), limit)
        except Exception as error:
            if self._seldom.due(what):
                known = outage.is_of_redis(error) or isinstance(error, (OSError, asyncio.TimeoutError))
                wording = "channel layer: its %s failed, trying again: %s: %s%s"
                log.warning(
                    *(wording, what, type(error).__name__, error, self._seldom.held(what)), exc_info=not known
                )
            return False
        return True
