from asgiref.sync import async_to_sync
from channels.generic.websocket import JsonWebsocketConsumer
from django.conf import settings


class Stall(JsonWebsocketConsumer):
    groups = ["stalls"]

    def receive_json(self, content):
        (settings.PRICES / "last.txt").write_text(content["message"])
        async_to_sync(self.channel_layer.group_send)("stalls", {"type": "price", **content})

    def price(self, event):
        self.send_json({"message": event["message"]})
