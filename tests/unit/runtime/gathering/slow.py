"""A consumer whose socket takes nothing for a while, with room for five events; prints, as JSON, what the socket got.

With the word "close" its class closes clients that are too slow.
"""

import asyncio
import json
import os
import sys

os.environ["DJANGO_SETTINGS_MODULE"] = "gathering.settings"

import django
from django.conf import settings

settings.CHANNEL_LAYERS["default"]["CONFIG"]["capacity"] = 5
django.setup()

from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402 (after django.setup)
from channels.layers import get_channel_layer  # noqa: E402

from channels_stack.groups import RecoverableConsumer  # noqa: E402

COUNT = 50


class Room(RecoverableConsumer, AsyncWebsocketConsumer):
    slow_clients = sys.argv[1]

    async def connect(self):
        await self.accept()
        await self.subscribe("room")


async def main() -> list:
    subscribed, reads, done = asyncio.Event(), asyncio.Event(), asyncio.Event()
    got: list = []

    async def send(message) -> None:
        if message["type"] == "websocket.close":
            await reads.wait()
            got.append(message["code"])
            done.set()
            messages.put_nowait({"type": "websocket.disconnect", "code": message["code"]})
        if message["type"] != "websocket.send":
            return
        envelope = json.loads(message["text"])
        if "s" in envelope:
            subscribed.set()
            return
        await reads.wait()
        got.append(envelope.get("e", "lost"))
        if got[-1] == str(COUNT - 1):
            done.set()

    messages: asyncio.Queue = asyncio.Queue()
    messages.put_nowait({"type": "websocket.connect"})
    messages.put_nowait({"type": "websocket.receive", "text": '{"positions": {}}'})
    scope = {"type": "websocket", "path": "/", "subprotocols": ["recoverable.v1"]}
    room = asyncio.ensure_future(Room.as_asgi()(scope, messages.get, send))
    await subscribed.wait()
    layer = get_channel_layer()
    for number in range(COUNT):
        await layer.group_broadcast("room", str(number))
    await layer.round_trip()  # they have arrived
    reads.set()
    await done.wait()
    if sys.argv[1] == "close":
        await room  # it ends by itself, and has left everything
        assert not layer.hub().mailboxes and not layer.hub().groups
    room.cancel()
    return got


print(json.dumps(asyncio.run(asyncio.wait_for(main(), 60))))
