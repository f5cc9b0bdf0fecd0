"""Who is behind a websocket, in any application.

Middlewares find out who a user is and pass that to the consumer in a copy of the scope. Channels' consumers show the scope that
they were given (``patches.channels_consumer``); what is none of Channels' consumers stays anonymous.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from ..asgi.types import SOCKET, Scope
from ..patches import channels_consumer
from .sockets import Socket


def watch_consumers() -> None:
    """Let each consumer hand its scope, and itself, to the Socket that it belongs to."""
    channels_consumer.show_scopes(_show)


def _show(scope: Scope, consumer: Any) -> None:
    socket = scope.get(SOCKET)
    if socket is not None:
        socket.inner, socket.consumer = scope, consumer


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
