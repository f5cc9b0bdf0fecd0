"""Joining groups again, and beginning again with new connections, on the layers of channels_redis.

The queueing layer keeps groups in Redis, where they get lost and expire: there each join is written again every
REJOIN_SECONDS, many in one command, and Redis answers how many of them it had lost. The publish and subscribe
layer keeps them in this process and in the connection: there every name is subscribed again, after each new
connection.

Of another layer it is unknown whether joining twice is harmless: there is nothing here for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable
from typing import Any, Protocol

from .mailboxes import Mailbox, Mailboxes

# Names in one command: below a millisecond of Redis, and of this event loop.
AT_ONCE = 200
REJOIN_SECONDS = 20
# Between two commands to subscribe: each name is confirmed, and while this process reads that it does nothing else.
PAUSE_SECONDS = 0.02
# A lock of a layer that is held for longer is held by a call that hangs.
LOCK_SECONDS = 5

Membership = tuple[str, str]  # group, channel


class Rejoining(Protocol):
    """What can be done for the memberships on one layer."""

    # How often `rejoin` is due even if nothing has happened; None: never.
    seconds: float | None

    async def rejoin(self, memberships: Iterable[Membership]) -> int:
        """Let the groups have these members; how many of them were missing, as far as that can be known."""

    async def reset(self) -> None:
        """Drop every connection of the layer: what hangs on one fails, and is tried again on a new one."""

    def reconnected(self) -> bool:
        """Whether there is a new connection since the last call, of a kind that loses memberships."""

    def prepare(self, channel: str) -> None:
        """To be called for each new channel."""

    async def forget(self, channel: str) -> None:
        """Remove what the layer keeps in this process for ``channel``, which has no receiver any more."""


def of(layer: Any) -> Rejoining | None:
    """How to join again on ``layer``; None when that is unknown."""
    with contextlib.suppress(ImportError):
        from channels_redis.core import RedisChannelLayer
        from channels_redis.pubsub import RedisPubSubChannelLayer

        if isinstance(layer, RedisChannelLayer):
            return Queueing(layer)
        if isinstance(layer, RedisPubSubChannelLayer):
            return Subscribing(layer)
    return None


class Queueing:
    """For channels_redis.core.RedisChannelLayer."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        # Three times within the life of a membership: one may fail.
        self.seconds: float | None = min(REJOIN_SECONDS, layer.group_expiry / 3)
        layer.receive_buffer = Mailboxes(layer.capacity)

    async def rejoin(self, memberships: Iterable[Membership]) -> int:
        members: dict[str, list[str]] = {}
        for group, channel in memberships:
            members.setdefault(group, []).append(channel)
        missing = 0
        batches: dict[int, list[tuple[str, list[str]]]] = {}
        for group, channels in members.items():
            index = self.layer.consistent_hash(group)
            for start in range(0, len(channels), AT_ONCE):
                batch = batches.setdefault(index, [])
                batch.append((group, channels[start : start + AT_ONCE]))
                if sum(len(part) for _, part in batch) >= AT_ONCE:
                    missing += await self._write(index, batches.pop(index))
        for index, batch in batches.items():
            missing += await self._write(index, batch)
        return missing

    async def _write(self, index: int, batch: list[tuple[str, list[str]]]) -> int:
        now = time.time()
        pipeline = self.layer.connection(index).pipeline(transaction=False)
        for group, channels in batch:
            key = self.layer._group_key(group)
            pipeline.zadd(key, dict.fromkeys(channels, now))
            pipeline.expire(key, self.layer.group_expiry)
        return sum((await pipeline.execute())[::2])

    async def reset(self) -> None:
        for index in range(self.layer.ring_size):
            await self.layer.connection(index).connection_pool.disconnect(inuse_connections=True)

    def reconnected(self) -> bool:
        return False  # Redis has the memberships, not the connection

    def prepare(self, channel: str) -> None:
        pass

    async def forget(self, channel: str) -> None:
        pass


class Subscribing:
    """For channels_redis.pubsub.RedisPubSubChannelLayer."""

    seconds: float | None = None

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        self.connects = 0
        self._connections: dict[int, Any] = {}

    async def rejoin(self, memberships: Iterable[Membership]) -> int:
        layer = self.layer._get_layer()
        names: dict[int, list[str]] = {}
        for name in (*layer.channels, *layer.groups):
            names.setdefault(layer._shards.index(layer._get_shard(name)), []).append(name)
        for index, wanted in names.items():
            for start in range(0, len(wanted), AT_ONCE):
                await self._subscribe(layer, layer._shards[index], wanted[start : start + AT_ONCE])
                await asyncio.sleep(PAUSE_SECONDS)
        return 0

    async def _subscribe(self, layer: Any, shard: Any, names: list[str]) -> None:
        await asyncio.wait_for(shard._lock.acquire(), LOCK_SECONDS)
        try:
            names = [name for name in names if name in layer.channels or name in layer.groups]
            if names:
                shard._ensure_redis()
                shard._ensure_receiver()
                await shard._pubsub.subscribe(*names)
                shard._subscribed_to.update(names)
        finally:
            shard._lock.release()

    async def reset(self) -> None:
        for shard in self.layer._get_layer()._shards:
            if shard._redis is not None:
                await shard._redis.connection_pool.disconnect(inuse_connections=True)
            if shard._receive_task is not None and shard._receive_task.done():
                # It ended by an error that channels_redis lets through, and would never be started again.
                shard._receive_task = None
                shard._ensure_receiver()

    def reconnected(self) -> bool:
        """redis-py subscribes again by itself, but for a name that was under way at that moment."""
        for index, shard in enumerate(self.layer._get_layer()._shards):
            connection = getattr(shard._pubsub, "connection", None)
            if connection is not None and connection is not self._connections.get(index):
                # redis-py 5.0.1 alone has it with an underscore. Where neither is there, the canary says so.
                register = getattr(connection, "_register_connect_callback", None)
                (register or connection.register_connect_callback)(self._connected)
                self._connections[index] = connection
        connects, self.connects = self.connects, 0
        return connects > 0

    async def _connected(self, connection: Any) -> None:
        self.connects += 1

    def prepare(self, channel: str) -> None:
        mailboxes = self.layer._get_layer().channels
        if type(mailboxes.get(channel)) is asyncio.Queue and mailboxes[channel].empty():
            mailboxes[channel] = Mailbox(channel)

    async def forget(self, channel: str) -> None:
        layer = self.layer._get_layer()
        if layer.channels.pop(channel, None) is not None:
            await layer._get_shard(channel).unsubscribe(channel)
