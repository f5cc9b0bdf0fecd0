"""The application's consumer for one channel, fed one message at a time.

Channels' own worker puts messages into the consumer's queue and never learns what became of them. A consumer
asks for its next message only when the handler of the last one has returned
(``channels.utils.await_many_dispatch`` awaits it), so being asked is the sign that the last message is dealt
with. The instance lives on, as under ``runworker``: what a consumer keeps on ``self``, and the groups it has
joined, stay until a handler raises.

Its sync code has a thread to itself: by default asgiref runs that of all consumers of a process in one.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

from asgiref.sync import SyncToAsync, ThreadSensitiveContext

from ..asgi.types import App, Message, Receive, Scope, Send

# What a handler may want to know of its job is in self.scope["channels_stack.job"]: "id" (the same in each
# attempt), "sent" (Unix seconds), "attempt" (from 1) and "redelivered" (another process had it and may have
# done part of it). The message stays as it was sent.
SCOPE_KEY = "channels_stack.job"

log = logging.getLogger("channels_stack.consuming")


class Consumer:
    """Runs ``application`` for the scope of ``channel``, and starts it again after it has ended."""

    def __init__(self, application: App, channel: str) -> None:
        self.application, self.channel = application, channel
        self.instance: asyncio.Task[None] | None = None
        self.job: dict[str, Any] = {}
        self.next: Message | None = None  # handed over, not yet asked for
        self.asked: asyncio.Future[None] | None = None  # the instance waits for a message
        self.handled: asyncio.Future[None] | None = None  # handle() waits for the instance
        self.threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"consumer-{channel}")
        self.sensitive = ThreadSensitiveContext()
        SyncToAsync.context_to_thread_executor[self.sensitive] = self.threads

    async def handle(self, message: Message, **job: Any) -> None:
        """Give ``message`` to the application; returns when its handler has, raises what that raised.

        ``job`` is what its scope says of it.
        """
        self.job.clear()
        self.job.update(job)
        if self.instance is None or self.instance.done():
            self._start()
        self.handled = asyncio.get_running_loop().create_future()
        self.next = message
        if self.asked is not None and not self.asked.done():
            self.asked.set_result(None)
        await self.handled

    async def close(self, seconds: float) -> bool:
        """Cancel the instance; whether it ended within ``seconds``. Code in a thread cannot be cancelled."""
        self.threads.shutdown(wait=False)
        if self.instance is None or self.instance.done():
            return True
        self.instance.cancel()
        done, _ = await asyncio.wait({self.instance}, timeout=seconds)
        return bool(done)

    def _start(self) -> None:
        self.next = self.asked = None
        scope = {"type": "channel", "channel": self.channel, SCOPE_KEY: self.job}
        context = contextvars.copy_context()
        context.run(SyncToAsync.thread_sensitive_context.set, self.sensitive)
        running = _run(self.application, scope, self._receive, self._send)
        self.instance = context.run(asyncio.ensure_future, running)
        self.instance.add_done_callback(self._ended)

    async def _receive(self) -> Message:
        if self.next is None:
            if self.handled is not None and not self.handled.done():
                self.handled.set_result(None)
            self.asked = asyncio.get_running_loop().create_future()
            await self.asked
        message, self.next = self.next, None
        assert message is not None
        return message

    async def _send(self, message: Message) -> NoReturn:
        raise RuntimeError(f"a worker has no client that {message.get('type')!r} could be sent to")

    def _ended(self, instance: asyncio.Task[None]) -> None:
        """The application has ended: by an exception, or because a consumer raised StopConsumer."""
        cancelled = RuntimeError(f"the consumer of {self.channel!r} was cancelled")
        error = cancelled if instance.cancelled() else instance.exception()
        if self.handled is None or self.handled.done():
            # Between two messages: its result is not awaited.
            if error and not instance.cancelled():
                log.error("channel %s: the consumer ended while idle", self.channel, exc_info=error)
        elif error:
            self.handled.set_exception(error)
        elif self.next is not None:
            text = f"the application ended without receiving the message of {self.channel!r}"
            self.handled.set_exception(RuntimeError(text))
        else:
            self.handled.set_result(None)


async def _run(application: App, scope: Scope, receive: Receive, send: Send) -> None:
    # A task needs a coroutine, and an application may return any awaitable.
    await application(scope, receive, send)
