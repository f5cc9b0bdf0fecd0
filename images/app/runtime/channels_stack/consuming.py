"""The application's consumer for one channel, fed one message at a time.

Channels' own worker puts messages into the consumer's queue and never learns what became of them. A consumer
asks for its next message only when the handler of the last one has returned
(``channels.utils.await_many_dispatch`` awaits it), so being asked is the sign that the last message is dealt
with. The instance lives on, as under ``runworker``: what a consumer keeps on ``self``, and the groups it has
joined, stay until a handler raises.
"""

from __future__ import annotations

import asyncio
import logging
from typing import NoReturn

from .asgi import App, Message, Receive, Scope, Send

log = logging.getLogger(__name__)


class Consumer:
    """Runs ``application`` for the scope of ``channel``, and starts it again after it has ended."""

    def __init__(self, application: App, channel: str) -> None:
        self.application, self.channel = application, channel
        self.instance: asyncio.Task[None] | None = None
        self.handling: asyncio.Future[None] | None = None

    async def handle(self, message: Message) -> None:
        """Give ``message`` to the application; returns when its handler has, raises what that raised."""
        instance = self._running_instance()
        handled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.inbox.put_nowait((message, handled))
        await asyncio.wait({instance, handled}, return_when=asyncio.FIRST_COMPLETED)
        if handled.done():
            return
        # The application has ended, by an exception or because a consumer raised StopConsumer.
        instance.result()
        if not self.inbox.empty():
            raise RuntimeError(f"the application ended without receiving the message of {self.channel!r}")

    async def close(self, seconds: float) -> bool:
        """Cancel the instance; whether it ended within ``seconds``. Code in a thread cannot be cancelled."""
        if self.instance is None or self.instance.done():
            return True
        self.instance.cancel()
        done, _ = await asyncio.wait({self.instance}, timeout=seconds)
        return bool(done)

    def _running_instance(self) -> asyncio.Task[None]:
        if self.instance is None or self.instance.done():
            self.inbox: asyncio.Queue[tuple[Message, asyncio.Future[None]]] = asyncio.Queue()
            self.handling = None
            scope = {"type": "channel", "channel": self.channel}
            self.instance = asyncio.ensure_future(_run(self.application, scope, self._receive, self._send))
            self.instance.add_done_callback(self._ended)
        return self.instance

    async def _receive(self) -> Message:
        if self.handling is not None and not self.handling.done():
            self.handling.set_result(None)
        self.handling = None
        message, self.handling = await self.inbox.get()
        return message

    async def _send(self, message: Message) -> NoReturn:
        raise RuntimeError(f"a worker has no client that {message.get('type')!r} could be sent to")

    def _ended(self, instance: asyncio.Task[None]) -> None:
        """Tell of an instance that died between two messages: nobody waits for its result."""
        error = None if instance.cancelled() else instance.exception()
        if error and self.handling is None and self.inbox.empty():
            log.error("channel %s: the consumer ended while idle", self.channel, exc_info=error)


async def _run(application: App, scope: Scope, receive: Receive, send: Send) -> None:
    # A task needs a coroutine, and an application may return any awaitable.
    await application(scope, receive, send)
