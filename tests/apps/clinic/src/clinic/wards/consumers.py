from channels.generic.websocket import AsyncJsonWebsocketConsumer


class Ward(AsyncJsonWebsocketConsumer):
    async def connect(self):
        self.group = "ward-" + self.scope["url_route"]["kwargs"]["ward"]
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, code):
        await self.channel_layer.group_discard(self.group, self.channel_name)

    async def receive_json(self, content):
        await self.channel_layer.group_send(self.group, {"type": "called", "message": content["message"]})

    async def called(self, event):
        await self.send_json({"message": event["message"]})
