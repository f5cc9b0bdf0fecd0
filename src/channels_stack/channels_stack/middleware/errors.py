"""Refusals: what a stranger or a failing application gets instead of a traceback.

Before a websocket is accepted a refusal is an HTTP response: 404 for a path without a consumer, 403 for an
Origin that is no origin, 503 while a data store is unavailable, 500 for an application that failed. Afterwards it is a
close code: 1012 for an outage, 1011 for a failure.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from urllib.parse import urlsplit

from ..asgi.responses import RETRY_AFTER, respond
from ..asgi.types import SOCKET, App, Receive, Scope, Send
from ..lifecycle.sockets import Socket
from ..observability import metrics
from ..stores import outage

logger = logging.getLogger("channels_stack.refusals")

# What Channels' routers, and Django's own application, say in a ValueError when no consumer is meant for a websocket.
NO_CONSUMER = (
    "No route found for path",
    "No application configured for scope type 'websocket'",
    "Django can only handle ASGI/HTTP connections, not websocket",
)


class Refusals:
    """Guards ``app`` on the websocket side; HTTP requests pass."""

    def __init__(self, app: App) -> None:
        self.app = app
        self._seldom = outage.Seldom()

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "websocket":
            return self.app(scope, receive, send)
        if not origin_is_well_formed(scope):
            logger.warning("websocket refused: malformed Origin from %s", _peer(scope))
            metrics.refused("origin")
            return respond(scope, send, 403, "The Origin header is malformed.")
        return self._guard(scope, receive, send)

    async def _guard(self, scope: Scope, receive: Receive, send: Send) -> None:
        socket: Socket = scope[SOCKET]
        try:
            await self.app(scope, receive, send)
            if not socket.answered and not socket.over:
                logger.error(
                    "the application neither accepted nor refused the websocket %.200r", scope["path"]
                )
                await respond(scope, send, 500, "The application gave no answer.")
        except Exception as error:
            if isinstance(error, ValueError) and not socket.answered and str(error).startswith(NO_CONSUMER):
                logger.warning(
                    "websocket refused: no consumer for %.200r from %s", scope["path"], _peer(scope)
                )
                metrics.refused("path")
                await respond(scope, send, 404, "There is no websocket at this path.")
            elif isinstance(error, OSError) and socket.gone:
                logger.debug("the client has left %.200r", scope["path"])
            elif outage.cause(error):
                self._say_outage(scope, outage.cause(error))
                if not socket.answered:
                    metrics.refused("outage")
                    reason = "A data store is unavailable, try again later."
                    await respond(scope, send, 503, reason, [(b"retry-after", RETRY_AFTER)])
                elif socket.accepted and not socket.closed:
                    await send({"type": "websocket.close", "code": 1012, "reason": "try again later"})
            else:
                logger.exception("the application failed on the websocket %.200r", scope["path"])
                if not socket.answered:
                    metrics.refused("error")
                    await respond(scope, send, 500, "The application failed.")
                elif socket.accepted and not socket.closed:
                    await send({"type": "websocket.close", "code": 1011, "reason": "the application failed"})

    def _say_outage(self, scope: Scope, cause: str) -> None:
        if self._seldom.due("outage"):
            wording = "a websocket ended by an outage: %.200r: %s%s"
            logger.warning(wording, scope["path"], cause, self._seldom.held("outage"))


def origin_is_well_formed(scope: Scope) -> bool:
    """Whether the Origin can be read at all: Channels' validators raise ValueError on what cannot."""
    try:
        # The port is only looked at, and refused, when it is asked for.
        return urlsplit(_origin(scope)).port is None or True
    except ValueError:
        return False


def _origin(scope: Scope) -> str:
    values = [value for name, value in scope["headers"] if name.lower() == b"origin"]
    return values[-1].decode("latin-1") if values else ""


def _peer(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else "unknown"
