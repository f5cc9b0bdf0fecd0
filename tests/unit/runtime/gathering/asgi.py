"""A consumer of the tutorial as it is, and the same for clients that recover."""

import json
import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gathering.settings")

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path

pages = get_asgi_application()

from channels_stack.groups import RecoverableConsumer, presence


class Plain(AsyncWebsocketConsumer):
    async def connect(self):
        self.group = self.scope["url_route"]["kwargs"]["group"]
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, code):
        await self.channel_layer.group_discard(self.group, self.channel_name)

    async def receive(self, text_data=None, bytes_data=None):
        await self.channel_layer.group_send(self.group, {"type": "say", "text": text_data})

    async def say(self, event):
        await self.send(event["text"])


class Room(RecoverableConsumer, AsyncWebsocketConsumer):
    async def connect(self):
        self.group = self.scope["url_route"]["kwargs"]["group"]
        await self.accept()
        await self.subscribe(self.group)

    async def receive(self, text_data=None, bytes_data=None):
        await self.channel_layer.group_send(self.group, {"type": "say", "text": text_data})

    async def say(self, event):
        if event["text"] == "twice":
            await self.send("once")
        if event["text"] != "filtered":
            await self.send(event["text"])

    async def catch_up(self, group):
        await self.send(f"all of {group}")


class Here(RecoverableConsumer, AsyncWebsocketConsumer):
    """Shows who is here: an entry for each name, or for each socket of "anyone". What its client says, it says of itself."""

    async def connect(self):
        self.group, name = self.scope["url_route"]["kwargs"].values()
        await self.accept()
        identity = None if name == "anyone" else name
        await self.subscribe(self.group, presence={"name": name}, identity=identity)

    async def receive(self, text_data=None, bytes_data=None):
        if text_data == "who":
            return await self.send(json.dumps(await presence(self.group)))
        if text_data == "leave":
            return await self.unsubscribe(self.group)
        try:
            await self.subscribe(self.group, presence=json.loads(text_data), identity="said")
        except (TypeError, ValueError) as error:
            await self.send(f"{type(error).__name__}: {error}"[:80])


application = ProtocolTypeRouter(
    {
        "http": pages,
        "websocket": URLRouter(
            [
                path("plain/<str:group>/", Plain.as_asgi()),
                path("room/<str:group>/", Room.as_asgi()),
                path("here/<str:group>/<str:name>/", Here.as_asgi()),
            ]
        ),
    }
)
