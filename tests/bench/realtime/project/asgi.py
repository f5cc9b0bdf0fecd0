"""Consumers as Channels' tutorial has them, and an application without Channels or Django."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django.setup()

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import path

from project import settings


class Echo(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        await self.send(text_data)


class Room(AsyncWebsocketConsumer):
    groups = ["room"]

    async def say(self, event):
        await self.send(event["text"])


class Talk(AsyncWebsocketConsumer):
    """What it is sent, it says in the room, and answers when that is sent."""

    async def receive(self, text_data=None, bytes_data=None):
        await self.channel_layer.group_send("room", {"type": "say", "text": text_data})
        await self.send(text_data)


class Joiner(AsyncWebsocketConsumer):
    """Joins as many groups as the client says, and leaves them."""

    async def receive(self, text_data=None, bytes_data=None):
        for number in range(int(text_data)):
            await self.channel_layer.group_add(f"group-{number}", self.channel_name)
        for number in range(int(text_data)):
            await self.channel_layer.group_discard(f"group-{number}", self.channel_name)
        await self.send(text_data)


class Member(AsyncWebsocketConsumer):
    """Joins the groups that the client names, `FIRST COUNT`, and stays in them."""

    async def receive(self, text_data=None, bytes_data=None):
        first, count = map(int, text_data.split())
        for number in range(first, first + count):
            await self.channel_layer.group_add(f"group-{number}", self.channel_name)
        await self.send("joined")


routes = [
    path("echo/", Echo.as_asgi()),
    path("room/", Room.as_asgi()),
    path("talk/", Talk.as_asgi()),
    path("join/", Joiner.as_asgi()),
    path("member/", Member.as_asgi()),
]

if settings.LAYER == "groups":
    from channels_stack.groups import RecoverableConsumer

    class Ready(RecoverableConsumer, AsyncWebsocketConsumer):
        async def connect(self):
            await self.accept()
            await self.subscribe("room")

    class Shout(AsyncWebsocketConsumer):
        """As Talk, with a frame that is ready."""

        async def receive(self, text_data=None, bytes_data=None):
            await get_channel_layer().group_broadcast("room", text_data)
            await self.send(text_data)

    routes += [path("ready/", Ready.as_asgi()), path("shout/", Shout.as_asgi())]

urlpatterns = []  # there are no pages
application = ProtocolTypeRouter({"websocket": URLRouter(routes)})


async def bare(scope, receive, send):
    """An echo on ASGI alone."""
    await receive()
    await send({"type": "websocket.accept"})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        await send({"type": "websocket.send", "text": message["text"]})
