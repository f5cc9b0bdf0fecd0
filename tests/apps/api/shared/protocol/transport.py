from channels.generic.websocket import AsyncJsonWebsocketConsumer, AsyncWebsocketConsumer


class GraphQLTransport(AsyncJsonWebsocketConsumer):
    """The messages of graphql-transport-ws that a client needs for one subscription."""

    groups = ["subscribers"]

    async def connect(self):
        if "graphql-transport-ws" not in self.scope["subprotocols"]:
            await self.close(4406)
        else:
            await self.accept(subprotocol="graphql-transport-ws")

    async def receive_json(self, content):
        if content["type"] == "connection_init":
            await self.send_json({"type": "connection_ack"})
        elif content["type"] == "next":
            await self.channel_layer.group_send("subscribers", {"type": "published", "payload": content["payload"]})

    async def published(self, event):
        await self.send_json({"type": "next", "payload": event["payload"]})


class Undecided(AsyncWebsocketConsumer):
    """Neither accepts nor closes."""

    async def connect(self):
        pass
