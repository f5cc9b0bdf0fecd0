"""Sockets behind Channels' own middlewares."""

from channels.auth import AuthMiddlewareStack
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path

pages = get_asgi_application()


class Who(AsyncWebsocketConsumer):
    """Says who it takes its user for, and again for each message."""

    async def connect(self):
        await self.accept()
        await self.receive()

    async def receive(self, text_data=None, bytes_data=None):
        await self.send(self.scope["user"].username or "nobody")


application = ProtocolTypeRouter(
    {"http": pages, "websocket": AuthMiddlewareStack(URLRouter([path("who/", Who.as_asgi())]))}
)
