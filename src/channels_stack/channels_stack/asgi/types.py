"""The types of ASGI, under short names."""

from __future__ import annotations

from collections.abc import Awaitable, MutableMapping
from typing import Any, Callable

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

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
