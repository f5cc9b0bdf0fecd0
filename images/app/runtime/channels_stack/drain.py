"""The orderly end of a serving process, the same on every server.

SIGTERM or SIGINT begins it:

1. not ready: the readiness probe answers 404, the edge sends no new traffic. New requests and sockets are
   still served for DRAIN_NOTICE_SECONDS, because the edge needs that long to notice;
2. closing: new websockets are refused with 503, open ones are closed with 1012, spread over DRAIN_SECONDS so
   that their clients do not all come back at once. The application receives ``websocket.disconnect`` with
   code 1012;
3. the server stops listening, finishes the requests in flight, and the process exits with 0.

After STOP_SECONDS the process exits with 0 whatever still runs: a clean end with a log line is worth more
than the SIGKILL which would follow. A second signal, or SIGQUIT, skips the waiting.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import threading
import time
from typing import Callable

from . import metrics
from .asgi import App, Message, Receive, Scope, Send
from .refusals import refuse
from .settings import STOP_MARGIN, Settings

logger = logging.getLogger(__name__)

SERVICE_RESTART = 1012
TICK = 0.05  # seconds between two rounds of closing or looking
SEND_LIMIT = 5  # seconds a client that does not read may hold up its close frame
# What the application sends to a client that has left is dropped for so long: time to learn of it by `receive`, and
# to run `disconnect()`. One that never asks gets the error then, so that it cannot send to nobody for ever.
GONE_SECONDS = 5
HURRIED_SECONDS = 1  # what remains after a second signal


class Drain:
    """The one drain of a process. ``gate`` wraps the application, ``install`` listens to the signals.

    ``on_begin`` is called once, when the drain begins.
    """

    def __init__(self, settings: Settings, on_begin: Callable[[], None]) -> None:
        self.notice_seconds = settings.drain_notice_seconds
        self.spread_seconds = settings.drain_seconds
        self.stop_seconds = settings.stop_seconds
        self.draining = False
        self.closing = False
        self.requests = 0
        self.sockets: set[Socket] = set()
        self._deadline = float("inf")
        self._watchdog: threading.Timer | None = None
        self._on_begin = on_begin

    def install(self, loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
        """Begin on a signal; call ``stop`` when every socket is told and the server shall stop listening."""
        self._hurry = asyncio.Event()
        self._stop = stop
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled)
        loop.add_signal_handler(signal.SIGQUIT, self._quit)

    def remaining(self) -> float:
        """Seconds that requests in flight may still take; STOP_SECONDS while no drain has begun."""
        return max(0.0, self._deadline - time.monotonic()) if self.draining else self.stop_seconds

    def gate(self, app: App) -> App:
        """Wrap ``app``: keep account of its requests and sockets, and own the end of each socket."""

        async def gated(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "websocket":
                await self._serve_socket(app, scope, receive, send)
            else:
                await self._serve_request(app, scope, receive, send)

        return gated

    async def _serve_socket(self, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        if self.closing:
            await _refuse_restarting(scope, send)
            return
        socket = Socket(scope, receive, send)
        self.sockets.add(socket)
        try:
            await socket.run(app)
        finally:
            self.sockets.discard(socket)

    async def _serve_request(self, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        async def retire_connection(message: Message) -> None:
            # The edge must not keep a connection that is about to be closed under its next request.
            if self.draining and message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            await send(message)

        self.requests += 1
        try:
            await app(scope, receive, retire_connection)
        finally:
            self.requests -= 1

    def _signalled(self) -> None:
        if self.draining:
            self._set_deadline(HURRIED_SECONDS)
            self._hurry.set()
            return
        self.draining = True
        self._set_deadline(self.stop_seconds)
        self._task = asyncio.ensure_future(self._run())
        self._on_begin()

    def _quit(self) -> None:
        self._signalled()
        self._signalled()

    async def _run(self) -> None:
        logger.info("draining: %d sockets open, %d requests in flight", len(self.sockets), self.requests)
        try:
            await self._pause(self.notice_seconds)
            self.closing = True
            await self._close_sockets()
        except Exception:
            logger.exception("the drain failed, the server stops without it")
        self._stop()

    async def _close_sockets(self) -> None:
        waiting = list(self.sockets)
        closing = []
        begun, total = time.monotonic(), len(waiting)
        while waiting:
            elapsed = time.monotonic() - begun
            share = 1.0 if self._hurry.is_set() or not self.spread_seconds else elapsed / self.spread_seconds
            while waiting and total - len(waiting) <= share * total:
                closing.append(asyncio.ensure_future(waiting.pop().close(SERVICE_RESTART, "restart")))
            if waiting:
                await self._pause(TICK)
        await asyncio.gather(*closing, return_exceptions=True)
        while self.sockets and self.remaining() > STOP_MARGIN:
            await asyncio.sleep(TICK)
        if self.sockets:
            logger.warning("%d sockets did not end in time", len(self.sockets))

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), seconds)

    def _set_deadline(self, seconds: float) -> None:
        """(Re)arm a timer in a thread: it also fires when the event loop is stuck."""
        self._deadline = time.monotonic() + seconds
        if self._watchdog is not None:
            self._watchdog.cancel()
        self._watchdog = threading.Timer(seconds, self._give_up)
        self._watchdog.daemon = True
        self._watchdog.start()

    def _give_up(self) -> None:
        logger.warning("stopped in spite of %d requests and %d sockets", self.requests, len(self.sockets))
        logging.shutdown()
        os._exit(0)


class Socket:
    """One websocket between the server and the application, which the drain may close at any moment."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._accepted = False
        self._over = False  # either side has ended it
        self._closed = False  # the application has ended it
        self._left: float | None = None  # when a send first found that the client has gone
        self._reader: asyncio.Future[Message] | None = None
        self._told: asyncio.Future[None] | None = None  # done when the server was given our close

    async def run(self, app: App) -> None:
        self._disconnected: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        try:
            await app(self._scope, self.receive, self.send)
        finally:
            if self._reader is not None:
                self._reader.cancel()
            if self._told is not None:
                # When the application returns, servers drop the connection: our close frame goes first.
                await asyncio.wait({self._told})

    async def receive(self) -> Message:
        if self._reader is None:
            self._reader = asyncio.ensure_future(self._receive())
        await asyncio.wait({self._reader, self._disconnected}, return_when=asyncio.FIRST_COMPLETED)
        if self._disconnected.done():
            return self._disconnected.result()
        reader, self._reader = self._reader, None
        message = reader.result()
        if message["type"] == "websocket.disconnect":
            self._over = True
        return message

    async def send(self, message: Message) -> None:
        # The application does not know yet that its socket is closed, or goes on although it has closed it itself,
        # say for each further frame of a client that it wants to be rid of.
        if self._disconnected.done() or self._closed:
            return
        if message["type"] == "websocket.accept":
            self._accepted = True
        elif message["type"] == "websocket.close":
            self._over = self._closed = True
        elif message["type"] == "websocket.http.response.start":
            self._over = True
        try:
            await self._send(message)
        except OSError:
            self._left = self._left or time.monotonic()
            if time.monotonic() - self._left > GONE_SECONDS:
                raise

    async def close(self, code: int, reason: str) -> None:
        """Tell the client and the application that the socket ends; before it is accepted, refuse it."""
        if self._over:
            return
        self._over = True
        self._told = asyncio.get_running_loop().create_future()
        self._disconnected.set_result({"type": "websocket.disconnect", "code": code, "reason": reason})
        try:
            if self._accepted:
                message = {"type": "websocket.close", "code": code, "reason": reason}
                await asyncio.wait_for(self._send(message), SEND_LIMIT)
            else:
                await _refuse_restarting(self._scope, self._send)
        except Exception as error:
            logger.debug("a socket could not be told of the restart: %r", error)
        finally:
            self._told.set_result(None)


async def _refuse_restarting(scope: Scope, send: Send) -> None:
    metrics.refused("draining")
    await refuse(scope, send, 503, "This process is restarting.", [(b"retry-after", b"1")])
