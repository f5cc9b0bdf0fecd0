"""Passing events on. The layers may lose anything, so a failure is logged and the database heals it later."""

import asyncio
import json
import logging

from channels.exceptions import ChannelFull
from channels.layers import get_channel_layer
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

LAYER_ERRORS = (ChannelFull, RedisError, OSError, asyncio.TimeoutError)


async def broadcast(group: str, kind: str, frame: dict, **extra) -> bool:
    """Send ``frame`` to every consumer in ``group``, whose handler is named ``kind``; False when it failed.

    The frame is written as JSON once, here, and not once for each receiver.
    """
    event = {"type": kind, "frame": json.dumps(frame, ensure_ascii=False), **extra}
    try:
        await get_channel_layer().group_send(group, event)
    except LAYER_ERRORS as error:
        logger.warning("%s not sent to %s: %r", kind, group, error)
        return False
    return True


async def tell_worker(report_id: int) -> None:
    """Ask the worker for a report. If that fails the report stays queued, and is asked for again later."""
    try:
        await get_channel_layer("tasks").send("reports", {"type": "report.build", "report": report_id})
    except LAYER_ERRORS as error:
        logger.warning("report %s not given to the worker: %r", report_id, error)
