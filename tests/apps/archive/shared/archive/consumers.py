from channels.generic.websocket import AsyncJsonWebsocketConsumer


class Desk(AsyncJsonWebsocketConsumer):
    groups = ["desk"]

    async def receive_json(self, content):
        await self.channel_layer.group_send("desk", {"type": "said", "message": content["message"]})

    async def said(self, event):
        await self.send_json({"message": event["message"]})
