"""Sending from code that has no event loop: a Celery task, a cron job, a management command.

    from channels_stack import producer

    producer.send("thumbnails", {"type": "thumbnail.make", "photo": 7})

``async_to_sync(layer.send)`` opens a connection to Redis for each call there, because each call has an event
loop of its own. This module keeps one loop, in a thread, and with it one connection, for every layer. After a
fork the child gets its own. This module is part of the public interface.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from concurrent import futures
from typing import Any

TIMEOUT_SECONDS = 10


def send(
    channel: str, message: dict[str, Any], layer: str = "tasks", timeout: float = TIMEOUT_SECONDS
) -> None:
    """``send`` of the channel layer ``layer``. Raises what it raises, and TimeoutError after ``timeout`` seconds."""
    _run(_layer(layer).send(channel, message), timeout)


def group_send(
    group: str, message: dict[str, Any], layer: str = "default", timeout: float = TIMEOUT_SECONDS
) -> None:
    """``group_send`` of the channel layer ``layer``."""
    _run(_layer(layer).group_send(group, message), timeout)


def _layer(alias: str) -> Any:
    from .layers.config import LayerError, named

    try:
        return named(alias)
    except LayerError as error:
        raise LookupError(str(error)) from error


def _run(call: Coroutine[Any, Any, None], timeout: float) -> None:
    future = asyncio.run_coroutine_threadsafe(call, _running_loop())
    try:
        future.result(timeout)
    except futures.TimeoutError:
        if future.done():  # it is the layer's own
            raise
        future.cancel()
        raise TimeoutError(f"the channel layer did not answer within {timeout:g} s") from None


_lock = threading.Lock()
_loop: tuple[int, asyncio.AbstractEventLoop] | None = None


def _running_loop() -> asyncio.AbstractEventLoop:
    global _loop
    with _lock:
        if _loop is None or _loop[0] != os.getpid():
            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, daemon=True, name="channels-stack-producer").start()
            _loop = os.getpid(), loop
        return _loop[1]


def _after_fork() -> None:
    # Another thread may have held it while this process was forked off.
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
