import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "legacy.settings")
http = get_asgi_application()

from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import re_path


class Echo(AsyncJsonWebsocketConsumer):
    groups = ["all"]

    async def receive_json(self, content):
        await self.channel_layer.group_send("all", {"type": "said", "message": content["message"]})

    async def said(self, event):
        await self.send_json({"message": event["message"]})


application = ProtocolTypeRouter({"http": http, "websocket": URLRouter([re_path(r"^echo/?$", Echo.as_asgi())])})
