"""Publishes from synchronous code and prints, as JSON, what a member of the group has got."""

import asyncio
import json
import os
import threading

os.environ["DJANGO_SETTINGS_MODULE"] = "gathering.settings"

import django
from django.conf import settings

settings.DATABASES["default"] = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
django.setup()

from channels.layers import get_channel_layer  # noqa: E402 (after django.setup)
from django.db import transaction  # noqa: E402

from channels_stack.groups import publish_on_commit  # noqa: E402


def sync_code() -> None:
    publish_on_commit("room", {"type": "say", "text": "outside"})
    with transaction.atomic():
        publish_on_commit("room", {"type": "say", "text": "later"})
        publish_on_commit("room", json={"ready": True})
        publish_on_commit("room", text="frame")
        publish_on_commit("room", bytes=b"\x00")
    try:
        with transaction.atomic():
            publish_on_commit("room", {"type": "say", "text": "never"})
            raise ValueError
    except ValueError:
        pass
    publish_on_commit("room", {"type": "say", "text": "last"})


async def main() -> list:
    layer = get_channel_layer()
    channel = await layer.new_channel()
    layer.take_frames(channel)
    await layer.group_add("room", channel)
    thread = threading.Thread(target=sync_code)
    thread.start()
    got: list = []
    while not got or got[-1] != "last":
        event = await layer.receive_event(channel)
        content = event.content if event.frame else event.content["text"]
        got.append(content if isinstance(content, str) else content.hex())
    return got


print(json.dumps(asyncio.run(asyncio.wait_for(main(), 60))))
