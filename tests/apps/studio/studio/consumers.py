from channels.generic.websocket import AsyncJsonWebsocketConsumer


class Stage(AsyncJsonWebsocketConsumer):
    groups = ["stage"]

    async def receive_json(self, content):
        await self.channel_layer.group_send("stage", {"type": "said", "message": content["message"]})

    async def said(self, event):
        await self.send_json({"message": event["message"]})
