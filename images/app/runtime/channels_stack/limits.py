"""The limit on open websockets per process: one more is refused before the upgrade, with Retry-After."""

from __future__ import annotations

from . import metrics
from .asgi import App, Receive, Scope, Send
from .refusals import refuse

RETRY_AFTER = b"5"  # seconds


class Limits:
    """Lets at most ``max_sockets`` websockets into ``app`` at a time, counted from the handshake on."""

    def __init__(self, app: App, max_sockets: int) -> None:
        self.app = app
        self.max_sockets = max_sockets
        self.sockets = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await self.app(scope, receive, send)
            return
        if self.sockets >= self.max_sockets:
            metrics.refused("full")
            await refuse(scope, send, 503, "Too many open websockets.", [(b"retry-after", RETRY_AFTER)])
            return
        self.sockets += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.sockets -= 1
