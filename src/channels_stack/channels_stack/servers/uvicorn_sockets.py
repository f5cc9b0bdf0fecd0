"""uvicorn's websocket: frames counted, a close code that arrives, and a handshake that cannot be read is answered.

What the application never sees counts too: a ping is answered, a fragment kept. And when uvicorn fails a socket it
closes the connection under what the client is still sending: the kernel answers that with a reset, and the client
sees 1006 where 1009 was meant. Here it says that it has no more to say, and waits a moment for the client to stop.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

from ..middleware.limits import POLICY, TokenBucket
from ..observability import metrics

logger = logging.getLogger(__name__)

LINGER_SECONDS = 5
TEXT, BINARY = 0x81, 0x82  # the last (and only) frame of a message


def _head(opcode: int, length: int) -> bytes:
    """What a frame of LENGTH bytes begins with, which is whole and not masked (RFC 6455, 5.2)."""
    if length < 126:
        return bytes((opcode, length))
    if length < 1 << 16:
        return bytes((opcode, 126)) + length.to_bytes(2, "big")
    return bytes((opcode, 127)) + length.to_bytes(8, "big")


class Received:
    """What the application has not taken yet. As asyncio.Queue, which has 3,000 bytes for each idle socket."""

    __slots__ = ("_following", "_messages", "_readers")

    def __init__(self) -> None:
        self._messages: list[Any] = []  # as they came
        self._following: list[Any] = []  # those before them, the next one last
        self._readers: list[asyncio.Future[None]] = []

    def put_nowait(self, message: Any) -> None:
        self._messages.append(message)
        self._wake()

    def empty(self) -> bool:
        return not self._messages and not self._following

    async def get(self) -> Any:
        while self.empty():
            reader = asyncio.get_running_loop().create_future()
            self._readers.append(reader)
            try:
                await reader
            except BaseException:
                if not self.empty():  # it was woken, and takes nothing
                    self._wake()
                raise
            finally:
                self._readers.remove(reader)
        if not self._following:
            self._following, self._messages = self._messages[::-1], []
        return self._following.pop()

    def _wake(self) -> None:
        for reader in self._readers:
            if not reader.done():
                reader.set_result(None)
                return


class Writable:
    """Whether the transport takes more. As asyncio.Event, which has 760 bytes more."""

    __slots__ = ("_opened", "_waiting")

    def __init__(self) -> None:
        self._opened = True
        self._waiting: asyncio.Event | None = None  # made when it is first waited for

    def is_set(self) -> bool:
        return self._opened

    def set(self) -> None:
        self._opened = True
        if self._waiting is not None:
            self._waiting.set()
            self._waiting = None

    def clear(self) -> None:
        self._opened = False

    async def wait(self) -> None:
        if not self._opened:
            self._waiting = self._waiting or asyncio.Event()
            await self._waiting.wait()


class Socket(WebSocketsSansIOProtocol):
    """A websocket of which at most ``frames_per_second`` pings, pongs and fragments are taken; 0: any number."""

    def __init__(self, *arguments: Any, frames_per_second: float, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.queue: Any = Received()
        self.writable: Any = Writable()
        self.bucket = TokenBucket(frames_per_second) if frames_per_second else None

    async def send(self, message: Any) -> None:
        """As uvicorn's. A frame for an open socket goes to the transport without the way around websockets' own frames."""
        if message["type"] == "websocket.send" and self.handshake_complete and not self.conn.extensions:
            if not self.writable.is_set():
                await self.writable.wait()
            text, data = message.get("text"), message.get("bytes")
            opcode = BINARY
            if data is None and text is not None:
                opcode, data = TEXT, text.encode()
            over = self.close_sent or self.transport.is_closing()
            if data is not None and self.conn.state is State.OPEN and not over:
                self.transport.write(_head(opcode, len(data)) + data)
                return
        await super().send(message)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.handshake_initiated and self.conn.handshake_exc is not None:
            self._refuse()

    def _refuse(self) -> None:
        """Send what websockets answers to a head that it cannot read: uvicorn leaves it where it is, and the client waiting."""
        logger.warning("websocket refused: %s", self.conn.handshake_exc)
        metrics.refused("handshake")
        self.handshake_initiated = self.handshake_complete = self.close_sent = True
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.transport.close()

    def handle_ping(self) -> None:
        if self._takes_frame():
            super().handle_ping()

    def handle_pong(self, event: Any) -> None:
        if self._takes_frame():
            super().handle_pong(event)

    def handle_cont(self, event: Any) -> None:
        if self._takes_frame():
            super().handle_cont(event)

    def _takes_frame(self) -> bool:
        if self.close_sent:
            return False
        if self.bucket is None or self.bucket.take():
            return True
        self.conn.fail(POLICY, "too many frames")
        self.handle_parser_exception()
        return False

    def handle_parser_exception(self) -> None:
        if self.close_sent:
            return  # this is what still came after it
        close = self.conn.close_sent
        assert close is not None
        self.queue.put_nowait({"type": "websocket.disconnect", "code": close.code, "reason": close.reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.close_timer = self.loop.call_later(LINGER_SECONDS, self.transport.close)
