"""The types of ASGI, under short names."""

from __future__ import annotations

from collections.abc import Awaitable, MutableMapping
from typing import Any, Callable

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An application, or a middleware around one. A middleware that only passes a request on returns what the next one does, and
does not await it: each that awaits costs every socket 250 bytes, and every message its way through one more coroutine."""

SOCKET = "channels_stack"
"""In the scope of a websocket: its ``sockets.Socket``. A middleware that copies the scope keeps it."""

FORWARDING = (
    b"forwarded",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-port",
    b"x-forwarded-proto",
    b"x-real-ip",
)
"""Headers that say who asks. The edge sets them; from any other peer they are removed."""
