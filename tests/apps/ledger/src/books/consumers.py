from channels.generic.websocket import AsyncJsonWebsocketConsumer


class Entries(AsyncJsonWebsocketConsumer):
    async def connect(self):
        self.book = f"book-{self.scope['url_route']['kwargs']['book']}"
        await self.channel_layer.group_add(self.book, self.channel_name)
        await self.accept()

    async def disconnect(self, code):
        await self.channel_layer.group_discard(self.book, self.channel_name)

    async def receive_json(self, content):
        await self.channel_layer.group_send(self.book, {"type": "entry", "message": content["message"]})

    async def entry(self, event):
        await self.send_json({"message": event["message"]})
