# ruff: noqa
import time

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.staticfiles import StaticFilesWrapper  # planted: E102


class Slow(AsyncWebsocketConsumer):
    async def connect(self):
        time.sleep(1)


def test_wrapper():
    assert StaticFilesWrapper
