"""The channel layer ``tasks``: worker channels on Redis Streams, behind the ordinary ``send``.

It has no groups and no channels of a single process: those are for sockets, which the layer ``default`` is
for. ``channels-stack worker`` acknowledges a job when its handler has returned. ``receive``, for any
other caller, acknowledges as it hands a message over.
"""

from __future__ import annotations

import logging
import time
from typing import Any, NoReturn

from channels.exceptions import ChannelFull
from channels.layers import BaseChannelLayer

from ..observability import tracing
from ..stores.connections import Connections
from .queue import LEASE_SECONDS, Jobs, Unreadable

log = logging.getLogger("channels_stack.streams")


class Unsupported(NotImplementedError):
    """Something was asked of the layer that only one for sockets can do."""


class RedisStreamsChannelLayer(BaseChannelLayer):
    """Each message goes to one worker and stays in Redis until that worker is done with it.

    ``hosts`` is a list with one Redis, in any form that channels_redis takes. ``capacity``, and
    ``channel_capacity`` by channel name or glob, is how many jobs may wait, be worked on or stand before
    another attempt until ``send`` raises ChannelFull. ``lease`` is in seconds, see ``jobs.LEASE_SECONDS``.
    """

    extensions = ("flush",)

    def __init__(
        self,
        hosts: list[Any],
        prefix: str = "tasks:",
        capacity: int = 10_000,
        channel_capacity: dict[Any, int] | None = None,
        lease: float = LEASE_SECONDS,
    ) -> None:
        super().__init__(expiry=None, capacity=capacity)
        self.channel_capacity = self.compile_capacities(channel_capacity or {})
        if isinstance(hosts, (str, bytes)) or len(hosts) != 1:
            raise ValueError(f"RedisStreamsChannelLayer: hosts must be a list with one Redis, not {hosts!r}")
        self.prefix = prefix
        self.connections = Connections(hosts[0])
        self.jobs = Jobs(self.connections, prefix, lease)

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        """Put ``message`` into ``channel``. Raises ChannelFull when too many wait there, and keeps nothing.

        When the connection breaks before the answer has come, redis-py sends again: the job may be there twice.
        """
        self._check(channel)
        if not isinstance(message, dict):
            raise TypeError(f"channel {channel}: a message is a dict, not a {type(message).__name__}")
        capacity = self.get_capacity(channel)
        with tracing.sending("send", channel, job=True) as trace:
            entry = await self.jobs.add(channel, tracing.marked(message, trace), capacity)
        if entry is None:
            raise ChannelFull(f"channel {channel}: {capacity} jobs wait already (the layer's capacity)")

    async def receive(self, channel: str) -> dict[str, Any]:
        """The next message of ``channel``, after any time; it is acknowledged by being returned."""
        self._check(channel)
        while True:
            for job in await self.jobs.take(channel, 1):
                try:
                    message = job.message()
                except Unreadable as error:
                    log.error("channel %s: a message became a dead letter: %s", channel, error)
                    await self.jobs.bury(job, str(error))
                else:
                    if not await self.jobs.done(channel, [job.entry]):
                        return message

    async def round_trip(self) -> float:
        """Write, read and remove a stream of our own; the seconds that it took."""
        client = await self.connections.client()
        start = time.perf_counter()
        key = f"{self.prefix}canary:{self.jobs.consumer}"
        async with client.pipeline(transaction=True) as pipeline:
            pipeline.xadd(key, {"m": b""}).xrange(key).delete(key)
            await pipeline.execute()
        return time.perf_counter() - start

    async def flush(self) -> None:
        """Remove all messages, those of retries and dead letters too."""
        await self.jobs.flush()

    async def close_pools(self) -> None:
        """Close the connections of the running event loop, as channels_redis' layers do."""
        await self.connections.close()

    async def new_channel(self, prefix: str = "specific") -> NoReturn:
        raise Unsupported(
            "this channel layer (RedisStreamsChannelLayer) is for worker channels and makes no channels of its "
            "own: a consumer's channel_layer_alias must be 'default', whose layer does"
        )

    async def group_add(self, group: str, channel: str) -> NoReturn:
        self._no_groups("group_add")

    async def group_discard(self, group: str, channel: str) -> NoReturn:
        self._no_groups("group_discard")

    async def group_send(self, group: str, message: dict[str, Any]) -> NoReturn:
        self._no_groups("group_send")

    def _no_groups(self, call: str) -> NoReturn:
        raise Unsupported(
            f"{call}: this channel layer (RedisStreamsChannelLayer) is for worker channels and has no groups: "
            "use the layer 'default', get_channel_layer()"
        )

    def _check(self, channel: str) -> None:
        # Channels 4.2.1 has renamed it.
        check = getattr(self, "require_valid_channel_name", None) or self.valid_channel_name
        check(channel)
        if "!" in channel:
            raise Unsupported(
                f"channel {channel}: this channel layer (RedisStreamsChannelLayer) is for worker channels: "
                "the channel of a single socket or process is on the layer 'default', get_channel_layer()"
            )
