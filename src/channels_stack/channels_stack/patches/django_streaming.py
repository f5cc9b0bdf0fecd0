"""Streamed answers of synchronous code, sent as they are made.

Under ASGI, Django 4.2 and newer turns a synchronous iterator (a file, a generator of rows) into a list before it sends
the first byte, and older ones hold up the event loop with it. A project that comes from WSGI has nothing else. Here the
iterator runs on the thread of its view, where its database connection is, at most LIMIT bytes ahead of what the client
has taken, and keeps no thread while a client is slow; a client that leaves ends it at its next part.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextvars import ContextVar
from typing import Any, Callable

from asgiref.sync import sync_to_async

from ..asgi.types import Message, Receive, Send
from .patch import Patch

PATCH = Patch(
    package="Django",
    versions="3.2 to 6.1",
    why="a synchronous stream is made into a list before its first byte is sent, or holds up the event loop",
    without="files and streams of synchronous code are held in memory before they are sent",
    upstream="https://code.djangoproject.com/ticket/33735",
)

LIMIT = 1 << 18  # bytes made and not yet sent, for each answer
BLOCK = 1 << 16  # bytes read from a file at a time; Django's own 4 KiB are a change of threads each

_receive: ContextVar[Receive | None] = ContextVar("receive", default=None)


def apply() -> None:
    """Let Django's handler of ASGI send synchronous streams part by part."""
    import django
    from django.core.handlers.asgi import ASGIHandler

    before_5 = django.VERSION < (5,)

    def make(stock: Any) -> Any:
        async def send_response(self: Any, response: Any, send: Send) -> None:
            if response.streaming and not getattr(response, "is_async", False):
                parts = response.streaming_content
                response.block_size = BLOCK  # what a FileResponse reads at a time
                # Django sends the head and the end; between them come the parts.
                response.streaming_content = () if django.VERSION < (4, 2) else _nothing()
                send = _with_parts(parts, send)
            await stock(self, response, send)

        return _until_the_client_leaves(send_response) if before_5 else send_response

    replaced = PATCH.replace(ASGIHandler, "send_response", make, arguments=3, uses=["streaming"])
    if before_5 and replaced:
        PATCH.replace(ASGIHandler, "__call__", _remembering, arguments=4)


def _remembering(call: Any) -> Any:
    """Before 5.0 Django does not notice that a client leaves while a stream is sent to it."""

    async def remembering(self: Any, scope: Any, receive: Receive, send: Send) -> None:
        _receive.set(receive)
        await call(self, scope, receive, send)

    return remembering


def _until_the_client_leaves(send_response: Any) -> Any:
    async def until_it_leaves(self: Any, response: Any, send: Send) -> None:
        receive = _receive.get()
        if not response.streaming or receive is None:
            await send_response(self, response, send)
            return
        sending = asyncio.ensure_future(send_response(self, response, send))
        leaving = asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            if not sending.done():
                sending.cancel()
                await asyncio.wait({sending})
                await sync_to_async(response.close, thread_sensitive=True)()
        if not sending.cancelled():
            sending.result()

    return until_it_leaves


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _nothing() -> AsyncIterator[bytes]:
    parts: tuple[bytes, ...] = ()
    for part in parts:
        yield part


def _with_parts(parts: Iterable[bytes], send: Send) -> Callable[[Message], Awaitable[None]]:
    """``send``, which sends PARTS before the message that ends the answer."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            await _send_parts(parts, send)
        await send(message)

    return sending


async def _send_parts(parts: Iterable[bytes], send: Send) -> None:
    ahead = _Ahead(parts)
    while not ahead.over:
        filling = asyncio.ensure_future(sync_to_async(ahead.fill, thread_sensitive=True)())
        filling.add_done_callback(lambda _: ahead.made.set())
        try:
            while block := await ahead.take(filling):
                await send({"type": "http.response.body", "body": block, "more_body": True})
        finally:
            ahead.left = not filling.done()
            # Whoever closes the iterator must not meet it at work.
            await asyncio.wait({filling})
            failure = filling.exception()
        if failure is not None:
            raise failure


class _Ahead:
    """What a thread has made of PARTS and the event loop has not sent yet."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self.parts = iter(parts)
        self.loop = asyncio.get_running_loop()
        self.made = asyncio.Event()
        self.blocks: deque[bytes] = deque()
        self.over = self.left = False

    def fill(self) -> None:
        """On the thread: take parts until there are LIMIT bytes, which gives the thread back to others, or none is left."""
        size = 0
        for part in self.parts:
            if self.left:
                return
            if not part:
                continue
            self.blocks.append(part)
            self.loop.call_soon_threadsafe(self.made.set)
            size += len(part)
            if size >= LIMIT:
                return
        self.over = True

    async def take(self, filling: asyncio.Future[None]) -> bytes:
        """All that has been made, as soon as there is something; nothing when FILLING is done and all is taken."""
        while True:
            self.made.clear()
            done = filling.done()
            blocks = [self.blocks.popleft() for _ in range(len(self.blocks))]
            if blocks or done:
                return b"".join(blocks)
            await self.made.wait()
