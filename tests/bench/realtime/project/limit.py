"""What no server can do better: asyncio transports, one subscription, a frame that is made once. No ASGI, no Channels, no checks.

`/room/` is a member; what `/talk/` is sent, it publishes, and answers when that is done. As the consumers of `asgi`.

    python -m project.limit PORT
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import sys

import redis.asyncio
import uvloop

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CHANNEL = f"{os.environ['REDIS_PREFIX']}:limit"
MASKED_HEAD = 6
"""Bytes before the text of a client's frame of at most 125 bytes, of which the last four are the mask."""

members: set[asyncio.Transport] = set()


def framed(text: bytes) -> bytes:
    return bytes((0x81, len(text))) + text


class Socket(asyncio.Protocol):
    def __init__(self, client: redis.asyncio.Redis) -> None:
        self.redis = client
        self._buffer = b""
        self._open = False
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._open:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            self._accept(head)
            self._buffer = rest
        while len(self._buffer) >= MASKED_HEAD + (length := (self._buffer[1:2] or b"\0")[0] & 0x7F):
            mask, text = self._buffer[2:MASKED_HEAD], self._buffer[MASKED_HEAD : MASKED_HEAD + length]
            self._buffer = self._buffer[MASKED_HEAD + length :]
            task = asyncio.ensure_future(
                self._say(bytes(each ^ mask[place % 4] for place, each in enumerate(text)))
            )
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _accept(self, head: bytes) -> None:
        line, *headers = head.split(b"\r\n")
        key = next(
            value for name, _, value in (each.partition(b": ") for each in headers) if name.endswith(b"-Key")
        )
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        self._open = True
        if b" /room/ " in line:
            members.add(self.transport)

    async def _say(self, text: bytes) -> None:
        await self.redis.publish(CHANNEL, text)
        self.transport.write(framed(text))

    def connection_lost(self, error: Exception | None) -> None:
        members.discard(self.transport)


async def main() -> None:
    async with redis.asyncio.from_url(os.environ["REDIS_URL"]) as client, client.pubsub() as subscription:
        await subscription.subscribe(CHANNEL)
        loop = asyncio.get_running_loop()
        await loop.create_server(lambda: Socket(client), "127.0.0.1", int(sys.argv[1]), backlog=4096)
        async for message in subscription.listen():
            if message["type"] == "message":
                frame = framed(message["data"])
                for member in members:
                    member.write(frame)


if __name__ == "__main__":
    uvloop.run(main())
