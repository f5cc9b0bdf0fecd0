"""Writing a ready frame to a socket at once, without waking its consumer."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any

EAGER = sys.version_info >= (3, 12)
"""Whether a task can run up to its first wait as it is made. Before, frames take the way of all events."""


def start(coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
    """Run ``coroutine`` up to where it waits; the task that goes on from there, None when it is through."""
    loop = asyncio.get_running_loop()
    task: asyncio.Task[None] = asyncio.Task(coroutine, loop=loop, eager_start=True)  # type: ignore[call-arg, unused-ignore]
    if not task.done():
        return task
    if not task.cancelled():
        task.exception()  # a socket that is gone: its consumer gets to know by itself
    return None
