"""A consumer whose client goes away just after its ping, under Channels' own dispatch; prints, as JSON, what is left running."""

import asyncio
import json
import os

os.environ["DJANGO_SETTINGS_MODULE"] = "gathering.settings"

import django

django.setup()

from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402 (after django.setup)

from channels_stack.groups import RecoverableConsumer  # noqa: E402
from channels_stack.groups.protocol import PING, PONG  # noqa: E402


class Room(RecoverableConsumer, AsyncWebsocketConsumer):
    async def connect(self):
        await self.accept()
        await self.subscribe("room")


async def main() -> dict:
    messages: asyncio.Queue = asyncio.Queue()

    async def send(message) -> None:
        if message.get("text") == PONG:
            messages.put_nowait({"type": "websocket.disconnect", "code": 1006})
            raise OSError("the client has gone")  # what uvicorn raises is one

    messages.put_nowait({"type": "websocket.connect"})
    for text in ('{"positions": {}}', PING):
        messages.put_nowait({"type": "websocket.receive", "text": text})
    scope = {"type": "websocket", "path": "/", "subprotocols": ["recoverable.v1"]}
    (ended,) = await asyncio.gather(Room.as_asgi()(scope, messages.get, send), return_exceptions=True)
    left = [task for task in asyncio.all_tasks() if "_next_event" in repr(task)]
    return {"ended": repr(ended), "left": len(left)}


print(json.dumps(asyncio.run(asyncio.wait_for(main(), 60))))
