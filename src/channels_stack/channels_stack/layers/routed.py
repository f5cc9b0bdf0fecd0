"""One channel layer for a project that knows only `default`: groups and sockets here, jobs on the layer `tasks`.

A project written for one layer sends its jobs through `default`. On publish and subscribe a job that no worker
listens for at that moment is gone, and one that three listen for is done three times.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer


class SingleQueueingLayer(RedisChannelLayer):
    """The queueing layer, but for messages to a worker channel named in ``jobs``."""

    def __init__(self, *args: Any, jobs: Sequence[str] = (), **options: Any) -> None:
        super().__init__(*args, **options)
        self.job_channels = frozenset(jobs)

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        """Send ``message`` to one receiver of ``channel``."""
        if channel in self.job_channels:
            from channels.layers import get_channel_layer

            await get_channel_layer("tasks").send(channel, message)
        else:
            await super().send(channel, message)


class SingleLayer(RedisPubSubChannelLayer):
    """Publish and subscribe, but for messages to a worker channel named in ``jobs``."""

    def __init__(self, *args: Any, jobs: Sequence[str] = (), **options: Any) -> None:
        super().__init__(*args, **options)
        self.jobs = frozenset(jobs)

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        """Send ``message`` to one receiver of ``channel``."""
        if channel in self.jobs:
            from channels.layers import get_channel_layer

            await get_channel_layer("tasks").send(channel, message)
        else:
            await self._get_layer().send(channel, message)
