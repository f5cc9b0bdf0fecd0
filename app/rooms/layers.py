"""What is left to do where a channel layer fails."""

import asyncio
import logging

from channels.exceptions import ChannelFull
from channels.layers import get_channel_layer
from redis.exceptions import RedisError

from channels_stack.groups import broadcast

LAYER_ERRORS = (ChannelFull, RedisError, OSError, asyncio.TimeoutError)

logger = logging.getLogger(__name__)


async def tell_room(group: str, frame: dict) -> None:
    """Show ``frame`` to everyone in the room. Where that fails the next one, or a reload, shows it."""
    try:
        await broadcast(group, json=frame)
    except LAYER_ERRORS as error:
        logger.warning("%s not sent to %s: %r", frame["type"], group, error)


async def tell_worker(report_id: int) -> None:
    """Ask the worker for a report; it is kept until it is done, whatever becomes of a worker."""
    await get_channel_layer("tasks").send("reports", {"type": "report.build", "report": report_id})
