"""The project's own lifespan: what it does before a process listens, and after its last request.

A handler is what `ProtocolTypeRouter` names for `lifespan`, an application that is no router of Channels', or one
that a router has among its pages (a Starlette part). Channels and Django raise for a lifespan, and other
applications do what they do: as with any server of ASGI, one that does not answer takes no part, and nothing is logged.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

from ..asgi.types import App, Message
from ..config.importing import place
from . import dispatch

log = logging.getLogger("channels_stack.lifespan")

TELL_SECONDS = 10  # a startup that takes so long is worth a line


class StartupFailed(Exception):
    """The project refuses to start; the text is its reason, on one line."""


class Lifespan:
    """The lifespans in APP, for one event loop. ``state`` is what they hand to every connection."""

    def __init__(self, app: App) -> None:
        self.state: dict[str, Any] = {}
        self._parts = [_Part(each, self.state, required) for each, required in _handlers(app)]

    async def start(self) -> None:
        """Start every part, one after the other. Raises StartupFailed."""
        for part in self._parts:
            await part.start()

    async def stop(self, seconds: float) -> None:
        """End every part, the last one first; what is not done within SECONDS is cancelled."""
        deadline = asyncio.get_running_loop().time() + seconds
        for part in reversed(self._parts):
            await part.stop(max(0.1, deadline - asyncio.get_running_loop().time()))


def _handlers(app: App) -> Iterator[tuple[App, bool]]:
    """What to ask, and whether an exception before it has taken a message is a failure: it is meant for lifespans."""
    routes = dispatch.routes(app)
    if routes is None:
        yield app, False
    elif "lifespan" in routes:
        yield routes["lifespan"], True
    else:
        for leaf in dispatch.leaves(routes.get("http")):
            yield leaf, False


class _Part:
    """One application that is asked: a task that lives from its startup to its shutdown."""

    def __init__(self, app: App, state: dict[str, Any], required: bool) -> None:
        self.app, self.state, self.required = app, state, required
        self.messages: asyncio.Queue[Message] | None = None
        self.taken = self.unanswered = False
        self.task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self.messages = asyncio.Queue()
        self.answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self.messages.put_nowait({"type": "lifespan.startup"})
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        self.task = asyncio.create_task(self._run(scope), name="lifespan")
        while not await self._heard(TELL_SECONDS):
            log.warning("the project's lifespan is still starting")
        if self.answer.done():
            message = self.answer.result()
            if message["type"] == "lifespan.startup.failed":
                await self._end()
                raise StartupFailed(_last_line(message.get("message", "")) or "it gives no reason")
            if message["type"] == "lifespan.startup.complete":
                return
        error = self.task.exception() if self.task.done() and not self.task.cancelled() else None
        await self._end()
        if error is not None and (self.required or self.taken):
            raise StartupFailed(f"{place(error)}{type(error).__name__}: {_last_line(str(error))}")
        log.debug("%r takes no part in lifespans: %s", self.app, error)

    async def stop(self, seconds: float) -> None:
        if self.task is None:
            return
        assert self.messages is not None
        self.answer = asyncio.get_running_loop().create_future()
        self.messages.put_nowait({"type": "lifespan.shutdown"})
        if not await self._heard(seconds):
            log.error("the project's lifespan has not ended within %.1f s and is cut off", seconds)
        elif self.answer.done() and self.answer.result()["type"] == "lifespan.shutdown.failed":
            log.error(
                "the project's lifespan failed to end: %s",
                _last_line(self.answer.result().get("message", "")),
            )
        elif not self.answer.done() and (error := self.task.exception()) is not None:
            log.error(
                "the project's lifespan failed to end: %s%s: %s", place(error), type(error).__name__, error
            )
        await self._end()

    async def _run(self, scope: dict[str, Any]) -> None:
        await self.app(scope, self._receive, self._send)

    async def _heard(self, seconds: float) -> bool:
        """Wait until it has answered or returned, or SECONDS are over; whether it has."""
        assert self.task is not None
        waiting: set[asyncio.Future[Any]] = {self.answer, self.task}
        done, _ = await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return bool(done)

    async def _receive(self) -> Message:
        assert self.messages is not None
        if self.unanswered:
            # It asks for more and has not answered: it has taken the message for one of another kind.
            self._answered({"type": "none"})
        message = await self.messages.get()
        self.taken = self.unanswered = True
        return message

    async def _send(self, message: Message) -> None:
        self._answered(message)

    def _answered(self, message: Message) -> None:
        self.unanswered = False
        if not self.answer.done():
            self.answer.set_result(message)

    async def _end(self) -> None:
        task, self.task = self.task, None
        if task is not None:
            # What has answered its shutdown has nothing to do any more, and returns.
            if not task.done() and self.answer.done():
                await asyncio.wait({task}, timeout=0.1)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def _last_line(text: str) -> str:
    """The last line of TEXT: of a traceback, what was raised."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
