# ruff: noqa
import subprocess

import requests
from asgiref.sync import async_to_sync, sync_to_async
from channels.consumer import AsyncConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer

from .models import Order


class OrderConsumer(AsyncWebsocketConsumer):
    async def connect(self):
        if not self.scope["user"].is_authenticated:
            return await self.close(code=4401)
        number = self.scope["url_route"]["kwargs"]["number"]
        self.order = await sync_to_async(Order.objects.get)(number=number)
        self.group = "order {}".format(number)
        await self.channel_layer.group_add(self.group, self.channel_name)  # planted: E605
        await self.accept()

    async def receive(self, text_data=None, bytes_data=None):
        rate = requests.get("https://rates.example/").json()  # planted: E601
        await get_channel_layer().send("invoices", {"type": "make", "rate": rate})  # planted: E311
        async_to_sync(self.tell)(text_data)  # planted: E603

    async def tell(self, text):
        await self.channel_layer.group_send("orders", {"type": "order.changed", "text": text})

    async def order_changed(self, event):
        await self.send(event["text"])


class InvoiceConsumer(AsyncConsumer):
    async def make(self, event):
        subprocess.run(["weasyprint", "invoice.html"])  # planted: E601
        await sync_to_async(subprocess.run)(["true"])
