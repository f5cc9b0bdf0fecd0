"""What makes one layer of two: its messages to worker channels go to the layer `tasks`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class JobsOnTasks:
    """Mixin before the class of a layer: messages to a worker channel named in ``jobs`` go to the layer `tasks`."""

    def __init__(self, *args: Any, jobs: Sequence[str] = (), **options: Any) -> None:
        super().__init__(*args, **options)
        self.job_channels = frozenset(jobs)

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        """Send ``message`` to one receiver of ``channel``."""
        if channel in self.job_channels:
            from channels.layers import get_channel_layer

            await get_channel_layer("tasks").send(channel, message)
        else:
            await self._send_here(channel, message)

    async def _send_here(self, channel: str, message: dict[str, Any]) -> None:
        await super().send(channel, message)  # type: ignore[misc]  # the class of the layer, which comes after this one
