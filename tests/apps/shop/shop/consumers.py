from asgiref.sync import async_to_sync
from channels.generic.websocket import JsonWebsocketConsumer


class Stock(JsonWebsocketConsumer):
    groups = ["stock"]

    def receive_json(self, content):
        async_to_sync(self.channel_layer.group_send)("stock", {"type": "changed", "message": content["message"]})

    def changed(self, event):
        self.send_json({"message": event["message"]})
