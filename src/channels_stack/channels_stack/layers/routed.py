"""One channel layer for a project that knows only `default`: groups and sockets here, jobs on the layer `tasks`.

A project written for one layer sends its jobs through `default`. On publish and subscribe a job that no worker
listens for at that moment is gone, and one that three listen for is done three times.
"""

from __future__ import annotations

from typing import Any

from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer

from .jobs_on_tasks import JobsOnTasks


class SingleQueueingLayer(JobsOnTasks, RedisChannelLayer):
    """The queueing layer, but for messages to a worker channel named in ``jobs``."""


class SingleLayer(JobsOnTasks, RedisPubSubChannelLayer):
    """Publish and subscribe, but for messages to a worker channel named in ``jobs``."""

    async def _send_here(self, channel: str, message: dict[str, Any]) -> None:
        await self._get_layer().send(channel, message)  # that class has no method of its own for it
