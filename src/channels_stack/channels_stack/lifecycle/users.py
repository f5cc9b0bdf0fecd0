"""Who is behind a websocket, in any application.

Middlewares find out who a user is and tell the consumer in a copy of the scope, which nobody outside sees. So
Channels' consumers are made to show the scope that they were given; what is none of Channels' consumers stays
anonymous.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable
from typing import Any

from ..asgi.types import SOCKET, Receive, Scope, Send
from .sockets import Socket


def watch_consumers() -> None:
    """From now on a consumer hands its scope to the Socket that it belongs to."""
    from channels.consumer import AsyncConsumer

    run = AsyncConsumer.__call__

    @functools.wraps(run)
    async def run_watched(consumer: Any, scope: Scope, receive: Receive, send: Send) -> Any:
        socket = scope.get(SOCKET)
        if socket is not None:
            socket.inner = scope
        return await run(consumer, scope, receive, send)

    AsyncConsumer.__call__ = run_watched


def account(socket: Socket) -> Any | None:
    """The user object that the application's middlewares found; None for who is not signed in."""
    user = (socket.inner or {}).get("user")
    try:
        return user if user is not None and user.is_authenticated else None
    except Exception:  # an application's own lazy object that is not ready, or would ask the database here
        return None


def user(socket: Socket) -> Hashable | None:
    """What all sockets of one user have in common; None for who is not signed in."""
    found = account(socket)
    key = getattr(found, "pk", None)
    return None if key is None else str(key)
