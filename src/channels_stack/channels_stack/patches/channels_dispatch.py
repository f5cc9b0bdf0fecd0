"""Channels' loop around a consumer, at less cost for each message.

Stock, each message costs a task that waits for it and an ``asyncio.wait`` for all tasks, which sets up and takes down a callback
on each. Here a task says by itself that it is through, and is started at once (Python 3.12), so that one whose message is there
already never waits. What a consumer can see stays: one handler at a time, the next message of a source asked for once the
handler of the last has returned, each source in its own task and in order, what a source or a handler raises ends the consumer.
And all tasks have ended when it has: stock, one that failed leaves those after it behind.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Coroutine, Sequence
from typing import Any, Callable

from ..observability import tracing
from .patch import Patch

PATCH = Patch(
    package="channels",
    versions="4.0 to 4.3",
    why="each message of a consumer costs a task and an asyncio.wait over all of its tasks",
    without="each message of a consumer costs some 10 us more",
    upstream="https://github.com/django/channels/blob/main/channels/utils.py",
)
EAGER = sys.version_info >= (3, 12)
BURST = 16
"""Messages in a row, each there before it was asked for, after which others of the event loop have their turn."""

Source = Callable[[], Awaitable[Any]]


def apply() -> None:
    """Put ``await_many_dispatch`` in the place of Channels' own."""
    import channels.consumer
    import channels.utils

    for module in (channels.consumer, channels.utils):
        PATCH.replace(
            *(module, "await_many_dispatch", lambda stock: await_many_dispatch),
            arguments=2,
            uses=("ensure_future", "FIRST_COMPLETED"),
        )


async def await_many_dispatch(sources: Sequence[Source], dispatch: Callable[[Any], Awaitable[None]]) -> None:
    """Call each of SOURCES again and again, and DISPATCH with what they return, one at a time."""
    loop = asyncio.get_running_loop()
    start = _starter(loop)
    dispatch = tracing.dispatching(dispatch)
    ready: list[int] = []  # of whose tasks are through, in that order; each at most once
    waiting: asyncio.Future[None] | None = None

    async def taken(index: int) -> Any:
        try:
            return await sources[index]()
        finally:
            ready.append(index)
            if waiting is not None and not waiting.done():
                waiting.set_result(None)

    tasks: list[asyncio.Task[Any]] = []
    try:
        for index in range(len(sources)):
            tasks.append(start(taken(index)))
        burst = 0
        while True:
            if not ready:
                burst = 0
                waiting = loop.create_future()
                try:
                    await waiting
                finally:
                    waiting = None
            index = ready.pop(0)
            await dispatch(tasks[index].result())
            tasks[index] = start(taken(index))
            burst += 1
            if burst >= BURST:
                burst = 0
                await asyncio.sleep(0)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _starter(loop: asyncio.AbstractEventLoop) -> Callable[[Coroutine[Any, Any, Any]], asyncio.Task[Any]]:
    """How tasks are begun: at once, unless a task factory is set, which has to see each task."""
    if not EAGER or loop.get_task_factory() is not None:
        return loop.create_task

    def at_once(coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        return asyncio.Task(coroutine, loop=loop, eager_start=True)  # type: ignore[call-arg, unused-ignore]

    return at_once
