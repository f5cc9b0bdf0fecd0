import logging

from asgiref.sync import async_to_sync
from channels.consumer import SyncConsumer
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.db.models import F

from .models import Score

log = logging.getLogger(__name__)


class Game(AsyncJsonWebsocketConsumer):
    groups = ["players"]

    async def receive_json(self, content):
        # One layer for everything: the job goes where the groups are.
        await self.channel_layer.send("scores", {"type": "point", "player": content["message"]})

    async def scored(self, event):
        await self.send_json({"message": event["player"], "points": event["points"]})


class Counter(SyncConsumer):
    def point(self, message):
        Score.objects.get_or_create(player=message["player"])
        Score.objects.filter(player=message["player"]).update(points=F("points") + 1)
        points = Score.objects.get(player=message["player"]).points
        log.info("%s has %s", message["player"], points)
        told = {"type": "scored", "player": message["player"], "points": points}
        async_to_sync(self.channel_layer.group_send)("players", told)
