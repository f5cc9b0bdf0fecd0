from channels.generic.websocket import AsyncJsonWebsocketConsumer


class Pad(AsyncJsonWebsocketConsumer):
    groups = ["pad"]

    async def receive_json(self, content):
        await self.channel_layer.group_send("pad", {"type": "written", "text": content["message"]})

    async def written(self, event):
        await self.send_json({"message": event["text"]})
