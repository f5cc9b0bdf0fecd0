from channels.generic.websocket import AsyncJsonWebsocketConsumer

from .presence import online


class Thread(AsyncJsonWebsocketConsumer):
    groups = ["thread"]

    async def connect(self):
        await online.sadd("people", self.channel_name)
        await self.accept()

    async def disconnect(self, code):
        await online.srem("people", self.channel_name)

    async def receive_json(self, content):
        await self.channel_layer.group_send("thread", {"type": "posted", "text": content["message"]})

    async def posted(self, event):
        await self.send_json({"message": event["text"]})
