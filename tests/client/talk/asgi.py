"""A room whose client says what it wants: to be echoed, or closed with a code."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "talk.settings")

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path

pages = get_asgi_application()

from channels_stack.groups import RecoverableConsumer


class Room(RecoverableConsumer, AsyncWebsocketConsumer):
    async def connect(self):
        self.group, name = self.scope["url_route"]["kwargs"].values()
        await self.accept()
        await self.subscribe(self.group, presence={"name": name}, identity=name)

    async def receive(self, text_data=None, bytes_data=None):
        if text_data and text_data.startswith("close "):
            await self.close(int(text_data[6:]))
        else:
            await self.send(text_data, bytes_data)


class Refusing(AsyncWebsocketConsumer):
    async def connect(self):
        await self.close()


application = ProtocolTypeRouter(
    {
        "http": pages,
        "websocket": URLRouter(
            [path("room/<str:group>/<str:name>/", Room.as_asgi()), path("refused/", Refusing.as_asgi())]
        ),
    }
)
