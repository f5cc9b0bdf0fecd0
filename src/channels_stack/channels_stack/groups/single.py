"""One layer for a project that knows only `default`: groups and sockets here, jobs on the layer `tasks`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .layer import RedisGroupsChannelLayer


class SingleGroupsLayer(RedisGroupsChannelLayer):
    """The groups layer, but for messages to a worker channel named in ``jobs``."""

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
