"""Channels' consumers, which show the scope that they were given.

Middlewares find out who a user is and pass that to the consumer in a copy of the scope, which nothing outside sees.
"""

from __future__ import annotations

import functools
from typing import Any, Callable

from ..asgi.types import Receive, Scope, Send
from .patch import Patch

PATCH = Patch(
    package="channels",
    versions="4.0 to 4.3",
    why="who is behind a websocket is only in the copy of the scope that a consumer gets",
    without="limits by user, session checks and the console take every websocket for an anonymous one",
    upstream="https://github.com/django/channels/blob/main/channels/consumer.py",
)


def show_scopes(show: Callable[[Scope, Any], None]) -> None:
    """Let each consumer call ``show`` with its scope and itself before it runs. Only the first call has an effect."""
    from channels.consumer import AsyncConsumer

    def make(run: Any) -> Any:
        @functools.wraps(run)
        async def run_shown(consumer: Any, scope: Scope, receive: Receive, send: Send) -> Any:
            show(scope, consumer)
            return await run(consumer, scope, receive, send)

        return run_shown

    PATCH.replace(AsyncConsumer, "__call__", make, arguments=4)
