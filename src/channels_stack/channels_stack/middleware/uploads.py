"""Bodies of requests, and room for them in the temporary folder: what does not fit waits, then is 503, or 413 at once.

Django keeps a body in a temporary file, and the file that is uploaded in another: twice its size, for as long as the
request lasts, in a folder that all processes of a container share and that is memory (compose.yml sizes it). Each
process has its share. A body that would not fit into the whole of it is refused with 413; another one waits until
others have gone, for QUEUE_SECONDS at the most, and is then refused with 503 and Retry-After, before it is read.
Daphne receives a body before it calls the application, into a file of its own: it asks here by itself.
"""

from __future__ import annotations

import asyncio
import gc
import os
import tempfile
from collections.abc import Awaitable

from ..asgi.requests import DISCONNECT
from ..asgi.responses import RETRY_AFTER, respond
from ..asgi.types import App, Message, Receive, Scope, Send
from .slots import QUEUE_SECONDS

COPIES, COPIES_WITH_DAPHNE = 2, 3
RESERVE_BYTES = 16 << 20
"""Of the folder, for everything else in it: metrics, heartbeats, what an application puts there."""
SMALL_BYTES = 64 << 10
"""A body up to this size is not counted: it never becomes a file."""


REFUSALS: dict[int, tuple[str, list[tuple[bytes, bytes]]]] = {
    413: ("The body is too large.", []),
    503: ("Too many uploads, try again soon.", [(b"retry-after", RETRY_AFTER)]),
}


class Room:
    """The room of one process, which shares the temporary folder with others: ``processes`` of them in all.

    A body takes ``copies`` times its size.
    """

    def __init__(self, processes: int, copies: int = COPIES) -> None:
        self.copies = copies
        self.folder = tempfile.gettempdir()
        found = os.statvfs(self.folder)
        self.total = max(0, found.f_blocks * found.f_frsize - RESERVE_BYTES) // processes
        self.taken = 0
        self._queue: list[tuple[int, asyncio.Future[None]]] = []

    def for_bodies(self, app: App) -> App:
        """Wrap ``app``: it is given no body that there is no room for."""

        def with_room(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
            length = _length(scope) if scope["type"] == "http" else 0
            if length is None:
                return self._unannounced(app, scope, receive, send)
            if length <= SMALL_BYTES:
                return app(scope, receive, send)
            return self._announced(length, app, scope, receive, send)

        return with_room

    async def _announced(self, length: int, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        if status := (self.take(length) and await self._wait(length)):
            await _refuse(scope, send, status)
            return
        try:
            await app(scope, receive, send)
        finally:
            self.give_back(length)

    def take(self, length: int) -> int:
        """Room for so much of a body, if it is there at once: 0, or the status to refuse it with."""
        size = length * self.copies
        if size > self.total:
            return 413
        if not self._fits(size):
            return 503
        self.taken += size
        return 0

    def give_back(self, length: int) -> None:
        """So much of a body is gone."""
        self.taken -= length * self.copies
        promised = 0
        for wanted, turn in self._queue:
            if not turn.done() and self._fits(promised + wanted):
                promised += wanted
                turn.set_result(None)

    async def _unannounced(self, app: App, scope: Scope, receive: Receive, send: Send) -> None:
        """A body whose length shows only as it comes; the edge holds it to its limit.

        The rest of one that is refused is read before the answer: the edge passes on none in the middle of such a body.
        """
        taken = status = 0
        message: Message = {}

        async def counted_receive() -> Message:
            nonlocal taken, status, message
            if status:
                return {"type": DISCONNECT}
            message = await receive()
            length = len(message.get("body", b""))
            too_large = (taken + length) * self.copies > self.total
            status = 413 if too_large else self.take(length)
            if status:
                return {"type": DISCONNECT}
            taken += length
            return message

        async def silenced_send(message: Message) -> None:
            if not status:
                await send(message)

        try:
            await app(scope, counted_receive, silenced_send)
        finally:
            self.give_back(taken)
        if status:
            while message.get("more_body", False):
                message = await receive()
            await _refuse(scope, send, status)

    async def _wait(self, length: int) -> int:
        """As ``take``, within QUEUE_SECONDS."""
        size = length * self.copies
        if size > self.total:
            return 413
        turn = asyncio.get_running_loop().create_future()
        self._queue.append((size, turn))
        try:
            await asyncio.wait({turn}, timeout=QUEUE_SECONDS)
        finally:
            self._queue.remove((size, turn))
        return self.take(length)

    def _fits(self, size: int) -> bool:
        if self.taken + size > self.total:
            return False
        if size > self._free():
            # A request that was cut off may leave its files behind until Python collects them.
            gc.collect()
        return size <= self._free()

    def _free(self) -> int:
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize


def _length(scope: Scope) -> int | None:
    """The length of the body that the head announces; None where there is one of unknown length."""
    headers = dict(scope["headers"])
    if b"transfer-encoding" in headers:
        return None
    return int(headers.get(b"content-length", 0))


async def _refuse(scope: Scope, send: Send, status: int) -> None:
    reason, headers = REFUSALS[status]
    await respond(scope, send, status, reason, headers)
