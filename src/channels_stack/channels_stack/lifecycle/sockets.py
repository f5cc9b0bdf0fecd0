"""One open websocket between the server and the application, which others may close at any moment.

The drain closes all of them, the limits one that asks too much, the check of sign-ins one whose user has gone.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Awaitable
from typing import Any, NamedTuple

from ..asgi.requests import stay
from ..asgi.responses import respond
from ..asgi.types import SOCKET, App, Message, Receive, Scope, Send
from ..observability import metrics

logger = logging.getLogger("channels_stack.sockets")

EDGE_WORKER = b"x-edge-worker"
SEND_LIMIT = 5  # seconds a client that does not read may hold up its close frame
# What the application sends to a client that has left is dropped for so long: time to learn of it by `receive`, and
# to run `disconnect()`. One that never asks gets the error then, so that it cannot go on sending to a closed socket.
GONE_SECONDS = 5

_numbers = itertools.count(1)


def no_pages(app: App) -> App:
    """``app`` for websockets alone; a request is answered 404.

    The edge sends `ws` handshakes and nothing else. What else arrives has gone past its rules: no view is to see it.
    """

    def guarded(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http":
            return respond(scope, send, 404, "This process serves websockets; pages are served by http.")
        return app(scope, receive, send)

    return guarded


class Refusal(NamedTuple):
    """How a handshake is answered that must not become a socket. ``counted`` is its reason in the metrics."""

    status: int
    text: str
    retry_after: int  # seconds
    counted: str

    async def answer(self, scope: Scope, send: Send) -> None:
        """Refuse the handshake of ``scope``."""
        metrics.refused(self.counted)
        await respond(scope, send, self.status, self.text, [(b"retry-after", b"%d" % self.retry_after)])


RESTARTING = Refusal(503, "This process is restarting.", 1, "draining")


class Socket:
    """One websocket. ``inner`` is the scope as the consumer got it, with what middlewares have found out.

    ``edge_worker`` is the secret of the process of the edge that it came through (``edge_drain``);
    the application does not see it.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = scope.get("headers", ())
        self.edge_worker = b"".join(value for name, value in headers if name.lower() == EDGE_WORKER)
        self.scope = {**scope, "headers": [pair for pair in headers if pair[0].lower() != EDGE_WORKER]}
        self.inner: Scope | None = None
        self.consumer: Any = None  # of Channels, which has a channel
        self.number = next(_numbers)  # among all of this process
        self.opened = time.time()
        self.answered = False  # by the application: accepted or refused
        self.accepted = False
        self.refused = False  # by us, before it was accepted
        self.closed = False  # by the application
        self.over = False  # either side has ended it
        self.gone = False  # sends have raised, because the application went on for GONE_SECONDS after the client had left
        self._receive = receive
        self._send = send
        self._left: float | None = None  # when a send first found that the client has gone
        self._end: Message | None = None  # what the application receives once we have closed it
        self._listener: asyncio.Task[Any] | None = None  # waits for a message of the client
        self._close_handed_over: asyncio.Future[None] | None = (
            None  # done when the server was given our close
        )

    async def run(self, app: App) -> None:
        try:
            await app({**self.scope, SOCKET: self}, self.receive, self.send)
        finally:
            self.over = True
            if self._close_handed_over is not None:
                # When the application returns, servers drop the connection: our close frame goes first.
                await asyncio.wait({self._close_handed_over})

    async def receive(self) -> Message:
        if self._end is None:
            self._listener = asyncio.current_task()
            try:
                message = await self._receive()
            except asyncio.CancelledError:
                if self._end is None or not stay(self._listener):
                    raise
            finally:
                self._listener = None
        if self._end is not None:  # what the client has sent meanwhile is dropped
            return self._end
        if message["type"] == "websocket.disconnect":
            self.over = True
        return message

    async def send(self, message: Message) -> None:
        # The application does not know yet that its socket is closed, or goes on although it has closed it itself,
        # say for each further frame of a client that it wants to be rid of.
        kind = message["type"]
        if kind != "websocket.send":
            self.answered = True
        if self._end is not None or self.closed:
            return
        if kind != "websocket.send":
            if kind == "websocket.accept":
                self.accepted = True
            elif kind == "websocket.close":
                self.over = self.closed = True
            elif kind == "websocket.http.response.start":
                self.over = True
        try:
            await self._send(message)
        except OSError:
            self._left = self._left or time.monotonic()
            if time.monotonic() - self._left > GONE_SECONDS:
                self.gone = True
                raise

    async def close(self, code: int, reason: str, refusal: Refusal = RESTARTING) -> None:
        """Tell the client and the application that the socket ends; before it is accepted, refuse it."""
        if self.over:
            return
        self.over = True
        self._close_handed_over = asyncio.get_running_loop().create_future()
        self._end = {"type": "websocket.disconnect", "code": code, "reason": reason}
        if self._listener is not None:
            self._listener.cancel()
        try:
            if self.accepted:
                message = {"type": "websocket.close", "code": code, "reason": reason}
                await asyncio.wait_for(self._send(message), SEND_LIMIT)
            else:
                self.refused = True
                await refusal.answer(self.scope, self._send)
        except Exception as error:
            logger.debug("the close code could not be sent to a socket: %r", error)
        finally:
            self._close_handed_over.set_result(None)
