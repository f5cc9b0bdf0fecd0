"""One HTTP request in flight, which the drain may tell to end.

Server-sent events and the like never end by themselves. Such an answer ends as it does when its client disconnects:
the application receives ``http.disconnect``, so that Django cancels the view and its generator can clean up. Who
does not listen for it is cancelled soon after. An event stream is then completed, so that browsers reconnect; any
other answer is cut, because an end that looks complete would be a lie.
"""

from __future__ import annotations

import asyncio
from typing import Any

from .types import App, Message, Receive, Scope, Send

GRACE_SECONDS = 0.5  # from the disconnect to the cancellation
DISCONNECT = "http.disconnect"


class Request:
    """The request of ``scope``. ``events`` is true once its answer has turned out to be an event stream."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.events = False
        self._scope = scope
        self._receive = receive
        self._send = send
        self._begun = self._finished = False  # the answer
        self._ended = False  # by us
        self._task: asyncio.Task[Any] | None = None
        self._listener: asyncio.Task[Any] | None = None

    async def run(self, app: App) -> None:
        self._task = asyncio.current_task()
        try:
            await app(self._scope, self.receive, self.send)
        except asyncio.CancelledError:
            if not self._ended:
                raise
            stay(self._task)
        self._task = None
        if self._ended and self.events and self._begun and not self._finished:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def receive(self) -> Message:
        if self._ended:
            return {"type": DISCONNECT}
        self._listener = asyncio.current_task()
        try:
            return await self._receive()
        except asyncio.CancelledError:
            if not self._ended:
                raise
            stay(self._listener)
            return {"type": DISCONNECT}
        finally:
            self._listener = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._begun = True
            headers = {name.lower(): value.lower() for name, value in message.get("headers", ())}
            self.events = headers.get(b"content-type", b"").startswith(b"text/event-stream")
        elif message["type"] == "http.response.body":
            self._finished = not message.get("more_body", False)
        await self._send(message)

    def end(self) -> None:
        """Tell the application that its client has gone; cancel it when it does not mind."""
        if self._ended or self._task is None:
            return
        self._ended = True
        if self._listener is not None:
            self._listener.cancel()
        asyncio.get_running_loop().call_later(GRACE_SECONDS, self._cancel)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()


def stay(task: asyncio.Task[Any] | None) -> bool:
    """The cancellation was ours and has been dealt with: later ones count again. False: TASK is to be cancelled all the same."""
    uncancel = getattr(task, "uncancel", None)  # Python 3.11; before, it cannot be found out
    return uncancel is None or uncancel() == 0
