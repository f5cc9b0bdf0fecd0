from channels.consumer import AsyncConsumer
from channels.generic.websocket import AsyncJsonWebsocketConsumer

LOADING = "loading"


class Quay(AsyncJsonWebsocketConsumer):
    groups = ["quay"]

    async def receive_json(self, content):
        await self.channel_layer.send(LOADING, {"type": "load", "message": content["message"]})

    async def loaded(self, event):
        await self.send_json({"message": event["message"]})


class Crane(AsyncConsumer):
    async def load(self, event):
        await self.channel_layer.group_send("quay", {"type": "loaded", "message": event["message"]})
