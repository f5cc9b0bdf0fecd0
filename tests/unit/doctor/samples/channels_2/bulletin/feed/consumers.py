# ruff: noqa
import time

from channels.consumer import SyncConsumer
from channels.generic.websocket import AsyncJsonWebsocketConsumer, WebsocketConsumer
from channels.layers import get_channel_layer

from .models import Board


class FeedConsumer(AsyncJsonWebsocketConsumer):  # planted: W609
    async def connect(self):
        self.board = self.scope["url_route"]["kwargs"]["board"]
        await self.channel_layer.group_add("boards", self.channel_name)  # planted: E513
        if self.scope["user"].is_anonymous:
            await self.close()
            return
        if not Board.objects.filter(name=self.board).exists():  # planted: E602
            await self.close()
            return
        await self.accept()

    async def receive_json(self, content):
        time.sleep(0.1)  # planted: E601
        await self.channel_layer.group_send("boards", {"text": content["text"]})  # planted: E606

    async def feed_notice(self, event):
        await self.send_json({"text": event["text"]})


class TickerConsumer(WebsocketConsumer):  # planted: E111
    def __init__(self, scope):
        super().__init__(scope)
        self.started = time.time()

    def connect(self):
        self.accept()
        # A sync consumer may block, and its layer is wrapped.
        get_channel_layer().group_add("ticker", self.channel_name)  # planted: E604


class DigestConsumer(SyncConsumer):
    def send(self, message):
        time.sleep(1)
