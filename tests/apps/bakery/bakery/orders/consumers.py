from channels.generic.websocket import AsyncJsonWebsocketConsumer


class Counter(AsyncJsonWebsocketConsumer):
    groups = ["counter"]

    async def receive_json(self, content):
        await self.channel_layer.group_send("counter", {"type": "order", "message": content["message"]})

    async def order(self, event):
        await self.send_json({"message": event["message"]})
