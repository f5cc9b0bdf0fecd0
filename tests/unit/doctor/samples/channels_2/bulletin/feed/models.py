# ruff: noqa
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import models


class Board(models.Model):
    name = models.CharField(max_length=50)


class Notice(models.Model):
    board = models.ForeignKey(Board, on_delete=models.CASCADE)
    text = models.TextField()

    def save(self, *args, **kwargs):
        super().save(*args, **kwargs)
        layer = get_channel_layer()
        async_to_sync(layer.group_send)(
            "board:%s" % self.board_id,  # planted: E605
            {"type": "feed.notice", "text": self.text},
        )
        async_to_sync(layer.send)("mail", {"type": "send", "notice": self.pk})  # planted: W211
