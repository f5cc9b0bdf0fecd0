"""One kind of socket: it is in one group, tells what it hears there, and lets the group hear what it is told."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path

pages = get_asgi_application()


class Member(AsyncWebsocketConsumer):
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


application = ProtocolTypeRouter(
    {"http": pages, "websocket": URLRouter([path("<slug:group>/", Member.as_asgi())])}
)
