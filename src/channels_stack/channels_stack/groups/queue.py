"""Channels that any process may receive from: what waits in Redis, taken by the first that asks.

A process that finds nothing waits for a word that something was sent (publish and subscribe, on the one connection that
receives), and looks from time to time in case that word was lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import secrets
from collections import deque
from typing import Any

from ..stores import outage
from ..stores.connections import Connections
from . import scripts
from .background import Background
from .history import SENT_SECONDS
from .names import Names

log = logging.getLogger(__name__)

# How often a receiver that waits looks by itself, in seconds.
LOOK_SECONDS = 5
PAUSE_SECONDS = 0.5
HEADER = 13 + 16  # milliseconds and id


class Queues:
    """What waits in channels below one prefix, for at most ``expiry`` seconds."""

    def __init__(self, connections: Connections, names: Names, expiry: float) -> None:
        self.connections, self.names, self.expiry = connections, names, expiry

    async def add(self, channel: str, body: bytes, capacity: int) -> bool:
        """Let ``body`` wait in ``channel``; False when ``capacity`` do already."""
        identifier = secrets.token_hex(8)
        keys = [self.names.queue(channel), self.names.sent(identifier)]
        arguments: list[Any] = [
            identifier,
            self.names.wake(channel),
            capacity,
            self._expiry,
            SENT_SECONDS * 1000,
        ]
        return bool(await self.connections.run(scripts.ENQUEUE, keys, [*arguments, body]))

    async def take(self, channel: str) -> bytes | None:
        """What waits longest in ``channel``, taken out of it, with its header; None when nothing does."""
        taken: bytes | None = await self.connections.run(
            scripts.DEQUEUE, [self.names.queue(channel)], [self._expiry]
        )
        return taken

    async def put_back(self, channel: str, taken: bytes) -> None:
        """Make what was taken the next again."""
        arguments = [self._expiry, self.names.wake(channel), taken]
        await self.connections.run(scripts.PUT_BACK, [self.names.queue(channel)], arguments)

    @property
    def _expiry(self) -> int:
        return int(self.expiry * 1000)


class Receiver:
    """Those of this event loop who wait for something from one channel."""

    def __init__(self, queues: Queues, channel: str) -> None:
        self.queues, self.channel = queues, channel
        self._waiting: deque[asyncio.Future[bytes]] = deque()
        self._word = asyncio.Event()
        self._taking: asyncio.Task[None] | None = None
        self._tasks = Background()
        self._seldom = outage.Seldom()

    async def receive(self) -> bytes:
        """The body of the next message. Cancelled, it takes none along."""
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        if self._taking is None or self._taking.done():
            self._taking = asyncio.ensure_future(self._take())
        try:
            return (await future)[HEADER:]
        except asyncio.CancelledError:
            if future in self._waiting:
                self._waiting.remove(future)
            if future.done() and not future.cancelled():
                self._tasks.start(self.queues.put_back(self.channel, future.result()))
            raise

    def word(self) -> None:
        """Something was sent."""
        self._word.set()

    async def _take(self) -> None:
        """Take one after the other, as long as there are waiters."""
        while self._waiting:
            self._word.clear()
            try:
                taken = await self.queues.take(self.channel)
            except Exception as error:
                # A worker's receiver waits for a Redis that is unavailable, as it waits for a message.
                if self._seldom.due("take"):
                    wording = "channel %s: nothing can be received, trying again: %s: %s"
                    known = outage.is_of_redis(error)
                    log.warning(wording, self.channel, type(error).__name__, error, exc_info=not known)
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            if taken is None:
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._word.wait(), LOOK_SECONDS * random.uniform(0.8, 1.2))
            elif not self._hand_over(taken):
                await self.queues.put_back(self.channel, taken)

    def _hand_over(self, taken: bytes) -> bool:
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(taken)
                return True
        return False
