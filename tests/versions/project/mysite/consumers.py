import time

from asgiref.sync import async_to_sync
from channels.consumer import SyncConsumer
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.contrib.auth import get_user_model


class Talk(AsyncJsonWebsocketConsumer):
    groups = ["talk"]

    async def receive_json(self, content):
        if "say" in content:
            await self.channel_layer.group_send("talk", {"type": "said", "text": content["say"]})
        elif "job" in content:
            await self.channel_layer.send("jobs", {"type": "job", **content})
        elif "leave" in content:
            await self.close(4000, reason=content["leave"])

    async def said(self, event):
        await self.send_json({"said": event["text"]})


class Jobs(SyncConsumer):
    def job(self, message):
        print(f"job {message['job']} begins", flush=True)
        time.sleep(message.get("seconds", 0))
        users = get_user_model().objects.count()
        print(f"job {message['job']} is done", flush=True)
        told = f"job {message['job']}: {users} users"
        async_to_sync(self.channel_layer.group_send)("talk", {"type": "said", "text": told})
