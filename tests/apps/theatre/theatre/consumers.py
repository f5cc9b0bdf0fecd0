from channels.generic.websocket import AsyncJsonWebsocketConsumer


class Stage(AsyncJsonWebsocketConsumer):
    groups = ["stage"]

    async def receive_json(self, content):
        await self.channel_layer.group_send("stage", {"type": "line", **content})

    async def line(self, event):
        await self.send_json({"message": event["message"]})
