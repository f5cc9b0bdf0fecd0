"""The orderly end of a serving process, the same on every server.

SIGTERM or SIGINT begins it:

1. not ready: the readiness probe answers 404, the edge sends no new traffic. New requests and sockets are
   still served for DRAIN_NOTICE_SECONDS, because the edge needs that long to notice;
2. closing: new websockets are refused with 503, open ones are closed with 1012, spread over DRAIN_SECONDS so
   that their clients do not all reconnect at once. The application receives ``websocket.disconnect`` with
   code 1012. Event streams are ended in the same time: they too stay open all day;
3. the server stops listening, finishes the requests in flight, and the process exits with 0. What still runs
   STOP_MARGIN before STOP_SECONDS receives ``http.disconnect``.

``close`` spreads closes for others as well: an edge that stops has its sockets closed (``edge_drain``), the canary those that
do not receive.

A process that cannot end so, because a thread of the application goes on, is ended after STOP_SECONDS: with a line
in the log and exit code 1, since work was cut off. A second signal, or SIGQUIT, skips the waiting.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import logging
import os
import signal
import threading
import time
from collections.abc import Awaitable, Iterable
from typing import Callable

from ..asgi.requests import Request
from ..asgi.types import App, Message, Receive, Scope, Send
from ..config.settings import STOP_MARGIN, Settings
from .sockets import RESTARTING, Socket

logger = logging.getLogger("channels_stack.drain")

SERVICE_RESTART, TRY_AGAIN_LATER = 1012, 1013
CLOSED_WITH = {SERVICE_RESTART: "restart", TRY_AGAIN_LATER: "maintenance"}
TICK = 0.05  # seconds between two rounds of closing or looking
HURRIED_SECONDS = 1  # what remains after a second signal
FORCED = 1  # exit code
LAST_WORDS_SECONDS = 1.5  # what a process that is ended by force may take to say so


class Drain:
    """The one drain of a process. ``gate`` wraps the application, ``install`` listens to the signals.

    ``on_begin`` is called once, when the drain begins; ``on_force`` just before the process is ended by force; ``is_replaced``
    returns whether others of its container have taken its place.
    """

    def __init__(self, settings: Settings, on_begin: Callable[[], None]) -> None:
        self.notice_seconds = settings.drain_notice_seconds
        self.spread_seconds = settings.drain_seconds
        self.stop_seconds = settings.stop_seconds
        self.draining = False
        self.closing = False
        self.requests: set[Request] = set()
        self.sockets: set[Socket] = set()
        self._leaving: set[asyncio.Task[None]] = set()  # an event loop does not keep its tasks alive
        self._deadline = float("inf")
        self._watchdog: threading.Timer | None = None
        self._on_begin = on_begin
        self.on_force: Callable[[], None] = lambda: None
        self.is_replaced: Callable[[], bool] = lambda: False

    @property
    def ends_the_container(self) -> bool:
        """Whether nothing new shall be sent here: it drains, and no process that takes its place listens at the same address."""
        return self.draining and not self.is_replaced()

    def install(self, loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
        """Begin on a signal; call ``stop`` when every socket is closed and the server shall stop listening."""
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

        def gated(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
            serve = self._serve_socket if scope["type"] == "websocket" else self._serve_request
            return serve(app, scope, receive, send)

        return gated

    async def _serve_socket(self, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        if self.closing:
            await RESTARTING.answer(scope, send)
            return
        socket = Socket(scope, receive, send)
        self.sockets.add(socket)
        try:
            await socket.run(app)
        finally:
            self.sockets.discard(socket)

    async def _serve_request(self, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        offers_protocol = any(name.lower() == b"upgrade" for name, _ in scope["headers"])

        async def retire_connection(message: Message) -> None:
            # The edge must not keep a connection that is about to be closed under its next request. And where a client offers
            # another protocol, servers disagree about what follows its head: a body, or the next request.
            if message["type"] == "http.response.start" and (self.draining or offers_protocol):
                message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            await send(message)

        request = Request(scope, receive, retire_connection)
        self.requests.add(request)
        try:
            await request.run(app)
        finally:
            self.requests.discard(request)

    def _signalled(self) -> None:
        if self.draining:
            self._set_deadline(HURRIED_SECONDS)
            self._hurry.set()
            self._end_requests()
            return
        self.draining = True
        self._set_deadline(self.stop_seconds)
        self._task = asyncio.ensure_future(self._run())
        self._on_begin()

    def _quit(self) -> None:
        self._signalled()
        self._signalled()

    async def _run(self) -> None:
        logger.info("draining: %d sockets open, %d requests in flight", len(self.sockets), len(self.requests))
        try:
            await self._pause(self.notice_seconds)
            self.closing = True
            asyncio.get_running_loop().call_later(self.remaining() - STOP_MARGIN, self._end_late_requests)
            await self._close_all()
        except Exception:
            logger.exception("the drain failed, the server stops without it")
        self._stop()

    def leave(self, secrets: Iterable[str], seconds: float, code: int = SERVICE_RESTART) -> int:
        """Have those sockets closed within ``seconds`` that are open now and came with one of ``secrets``; how many they are.

        ``code`` is what they are closed with, a key of CLOSED_WITH.
        """
        known = [secret.encode() for secret in secrets]
        leaving = [
            socket
            for socket in self.sockets
            if not socket.over and any(hmac.compare_digest(socket.edge_worker, secret) for secret in known)
        ]
        if leaving:
            task = asyncio.ensure_future(self.close(leaving, seconds, code))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)
        return len(leaving)

    async def close(
        self, ending: Iterable[Socket | Request], seconds: float, code: int = SERVICE_RESTART
    ) -> None:
        """End all of ``ending``, the sockets with ``code``, one after the other within ``seconds``; a second signal hurries."""
        waiting = list(ending)
        closing = []
        begun, total = time.monotonic(), len(waiting)
        while waiting:
            elapsed = time.monotonic() - begun
            share = 1.0 if self._hurry.is_set() or not seconds else elapsed / seconds
            while waiting and total - len(waiting) <= share * total:
                each = waiting.pop()
                if isinstance(each, Request):
                    each.end()
                else:
                    closing.append(asyncio.ensure_future(each.close(code, CLOSED_WITH[code])))
            if waiting:
                await self._pause(TICK)
        await asyncio.gather(*closing, return_exceptions=True)

    async def _close_all(self) -> None:
        streams = [request for request in self.requests if request.events]
        await self.close([*self.sockets, *streams], self.spread_seconds)
        while self.sockets and self.remaining() > STOP_MARGIN:
            await asyncio.sleep(TICK)
        if self.sockets:
            logger.warning("%d sockets did not end in time", len(self.sockets))

    def _end_late_requests(self) -> None:
        if self.requests:
            logger.warning("%d requests did not finish in time, they are ended", len(self.requests))
        self._end_requests()

    def _end_requests(self) -> None:
        for request in self.requests:
            request.end()

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
        try:
            self.on_force()
            # A handler of the project may hang for ever, and whatever the process hangs on may hold a lock of logging.
            words = threading.Thread(target=self._last_words, daemon=True)
            words.start()
            words.join(LAST_WORDS_SECONDS)
        finally:
            os._exit(FORCED)

    def _last_words(self) -> None:
        logger.error(
            "ended by force: %d requests and %d sockets still ran", len(self.requests), len(self.sockets)
        )
        logging.shutdown()
