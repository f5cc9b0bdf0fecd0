"""How many requests a process works on at once: HTTP_CONCURRENCY, each on a thread of its own. More of them queue.

Django gives each request a thread, and with it a connection to the database, however many there are: a crowd is
answered "too many clients already". Here a request takes a slot once its body has come whole, so that a slow sender
holds none, and queues for QUEUE_SECONDS at the most: then it is answered 503 with Retry-After, and to the application it
looks as if its client had left. Threads stay, and a connection that one keeps is used again.

What only waits needs no slot: an event stream, a long poll, an answer whose reader is slow. A request whose thread
has nothing to do when its answer begins to stream, or WAITING_SECONDS after it began and again after each such time,
gives its slot back; what it still has to do in sync code is done on a few threads that all those share. In a transaction,
or with rows still to fetch, it keeps the slot. So a process has at most ``count`` + SHARED_BY_PAGES connections through
Django's thread-sensitive code.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable, cast

from asgiref.sync import SyncToAsync, ThreadSensitiveContext

from ..asgi.requests import DISCONNECT
from ..asgi.responses import RETRY_AFTER, respond
from ..asgi.types import App, Message, Receive, Scope, Send
from ..config.settings import SHARED_BY_PAGES

QUEUE_SECONDS = 5  # as the edge's `timeout queue`
WAITING_SECONDS = 0.2


class Slots:
    """The slots of a process, ``count`` of them. For one event loop."""

    def __init__(self, count: int) -> None:
        self._idle = [Thread() for _ in range(count)]
        self._shared = [Thread() for _ in range(SHARED_BY_PAGES)]
        self._queue: deque[asyncio.Future[Thread]] = deque()

    def for_pages(self, app: App) -> App:
        """Wrap ``app``: its requests work in these slots."""

        async def page(scope: Scope, receive: Receive, send: Send) -> None:
            request = Request(self, scope, receive, send)
            token = SyncToAsync.thread_sensitive_context.set(request.context)
            try:
                await app(scope, request.receive, request.send)
            finally:
                SyncToAsync.thread_sensitive_context.reset(token)
                request.end()

        def limited(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
            serve = page if scope["type"] == "http" else app
            return serve(scope, receive, send)

        return limited

    def ask(self) -> asyncio.Future[Thread]:
        """A slot, at once or in the order of asking. Who does not want it any more says so with ``withdraw``."""
        turn: asyncio.Future[Thread] = asyncio.get_running_loop().create_future()
        if self._idle:
            turn.set_result(
                self._idle.pop()
            )  # the one used last: its connection is the most likely to be open
        else:
            self._queue.append(turn)
        return turn

    def withdraw(self, turn: asyncio.Future[Thread]) -> None:
        """Let another have what was asked for."""
        if not turn.cancel():
            self.give_back(turn.result())

    def give_back(self, thread: Thread) -> None:
        """Let the next one have it, as soon as it has nothing more to do: a view runs on when its client has left."""
        if thread.working:
            loop = asyncio.get_running_loop()
            thread.when_done(lambda: _soon(loop, self.give_back, thread))
            return
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(thread)
                return
        self._idle.append(thread)

    def share(self) -> Thread:
        """The shared thread with the least to do."""
        return min(self._shared, key=lambda thread: len(thread.working))


class Request:
    """One request on its way through the slots."""

    def __init__(self, slots: Slots, scope: Scope, receive: Receive, send: Send) -> None:
        self.context = ThreadSensitiveContext()
        self._slots = slots
        self._scope, self._receive, self._send = scope, receive, send
        self._begun = self._refused = self._streams = False
        self._thread: Thread | None = None
        self._listening: asyncio.Future[Message] | None = None
        """A look at the client, begun while the request queued and not over yet."""
        self._looking: asyncio.TimerHandle | asyncio.Task[None] | None = None

    async def receive(self) -> Message:
        """As the server's; the last message of the body comes when there is a slot."""
        if self._refused:
            return {"type": DISCONNECT}
        if self._listening is not None:
            message = await asyncio.shield(self._listening)
            self._listening = None
            return message
        message = await self._receive()
        if not self._begun and message["type"] == "http.request" and not message.get("more_body", False):
            self._begun = True
            return await self._queue(message)
        return message

    async def _queue(self, last: Message) -> Message:
        turn = self._slots.ask()
        try:
            if not turn.done():
                self._listening = asyncio.ensure_future(self._receive())
                events: set[asyncio.Future[Any]] = {turn, self._listening}
                await asyncio.wait(events, timeout=QUEUE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if self._listening is not None and self._listening.done():
                return await self.receive()  # the client has left
            if turn.done():
                self._work_on(turn.result())
                return last
        finally:
            if self._thread is None:
                self._slots.withdraw(turn)
        self._refused = True
        why = "All are busy, try again soon."
        await respond(self._scope, self._send, 503, why, [(b"retry-after", RETRY_AFTER)])
        return {"type": DISCONNECT}

    def _work_on(self, thread: Thread) -> None:
        self._thread = thread
        self._use(thread)
        self._look_later()

    def _use(self, thread: Thread) -> None:
        SyncToAsync.context_to_thread_executor[self.context] = thread

    def _look_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._looking = loop.call_later(WAITING_SECONDS, self._look)

    def _look(self) -> None:
        assert self._thread is not None
        self._looking = None
        if self._thread.working:
            self._look_later()
        else:
            self._looking = asyncio.ensure_future(self._wait_outside(self._thread))

    async def _wait_outside(self, thread: Thread) -> None:
        free = await asyncio.get_running_loop().run_in_executor(thread, nothing_open)
        # Nothing is given to the thread but by this event loop, so what is true here stays true until the end of the function.
        if not free or thread.working:
            self._look_later()
            return
        self._looking = self._thread = None
        self._use(self._slots.share())
        self._slots.give_back(thread)

    async def send(self, message: Message) -> None:
        """As the server's; nothing, once the request was refused."""
        if self._refused:
            return
        await self._send(message)
        if message.get("more_body", False) and not self._streams:
            self._streams = True
            if isinstance(self._looking, asyncio.TimerHandle):
                self._looking.cancel()
                self._look()

    def end(self) -> None:
        """The application has returned. What it has left running shares a thread with its like."""
        if self._looking is not None:
            self._looking.cancel()
        if self._listening is not None:
            self._listening.cancel()
        if self._thread is not None:
            self._use(self._slots.share())
            self._slots.give_back(self._thread)
            self._thread = None


def _soon(loop: asyncio.AbstractEventLoop, call: Callable[..., Any], *arguments: Any) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: the process ends
        loop.call_soon_threadsafe(call, *arguments)


class Thread(ThreadPoolExecutor):
    """One thread that starts when it is first needed, and stays."""

    def __init__(self) -> None:
        super().__init__(1, "page")
        self.working: set[Future[Any]] = set()
        """What it was given and has not done yet."""

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        future = super().submit(work, *arguments, **options)
        self.working.add(future)
        future.add_done_callback(self.working.discard)
        return future

    def when_done(self, call: Callable[[], Any]) -> None:
        """Have ``call`` called, on any thread, when something of its work is done."""
        for future in tuple(self.working)[:1]:
            future.add_done_callback(lambda _: call())
            return
        call()


def nothing_open() -> bool:
    """Whether this thread's connections to databases are in no transaction and have no rows left to fetch.

    Those that are not to be kept are closed, or go back to their pool.
    """
    from django.db import Error, connections

    for connection in connections.all():
        if connection.connection is None:
            continue
        try:
            if connection.in_atomic_block or not connection.get_autocommit():
                return False
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute("SELECT FROM pg_cursors LIMIT 1")
                    if cast(int, cursor.rowcount):
                        return False
        except Error:
            pass  # a connection that is broken has nothing open
        connection.close_if_unusable_or_obsolete()
    return True
