"""Sockets of a room, as Channels' own consumers are and as one that recovers, and the worker behind them."""

import logging
import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "traced.settings")

from channels.consumer import AsyncConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer
from channels.routing import ChannelNameRouter, ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path

pages = get_asgi_application()

from channels_stack.groups import RecoverableConsumer

log = logging.getLogger("traced")


class Room(AsyncWebsocketConsumer):
    async def connect(self):
        self.room = self.scope["url_route"]["kwargs"]["room"]
        await self.channel_layer.group_add(self.room, self.channel_name)
        await self.accept()
        await self.send("joined")

    async def receive(self, text_data=None, bytes_data=None):
        await self.channel_layer.group_send(self.room, {"type": "room.said", "by": text_data})
        await get_channel_layer("tasks").send("reports", {"type": "report.make", "room": self.room})

    async def room_said(self, event):
        await self.send(f"{event['by']} {sorted(event)}")


class Recovering(RecoverableConsumer, AsyncWebsocketConsumer):
    async def connect(self):
        await self.accept()
        await self.subscribe(self.scope["url_route"]["kwargs"]["room"])
        await self.send("joined")

    async def room_said(self, event):
        await self.send(f"{event['by']} {sorted(event)}")


class Reports(AsyncConsumer):
    """The worker of the channel `reports`."""

    async def report_make(self, event):
        log.info("making a report for %s", event["room"])
        if self.scope["channels_stack.job"]["attempt"] == 1 and event["room"] == "unlucky":
            raise RuntimeError("the first attempt fails")
        await get_channel_layer("default").group_send(event["room"], {"type": "room.said", "by": "worker"})


application = ProtocolTypeRouter(
    {
        "http": pages,
        "websocket": URLRouter(
            [
                path("ws/plain/<slug:room>/", Room.as_asgi()),
                path("ws/recovering/<slug:room>/", Recovering.as_asgi()),
            ]
        ),
        "channel": ChannelNameRouter({"reports": Reports.as_asgi()}),
    }
)
