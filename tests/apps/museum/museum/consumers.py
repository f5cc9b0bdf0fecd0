from channels.generic.websocket import AsyncJsonWebsocketConsumer


class Guide(AsyncJsonWebsocketConsumer):
    groups = ["guide"]

    async def receive_json(self, content):
        await self.channel_layer.group_send("guide", {"type": "said", "message": content["message"]})

    async def said(self, event):
        await self.send_json({"message": event["message"]})
