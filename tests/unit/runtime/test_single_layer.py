"""A project that knows one layer, on Redis on localhost: it moves to the stack's, whatever class it has named."""

from __future__ import annotations

import pytest

SETTINGS = """
SECRET_KEY = "x"
INSTALLED_APPS = []
CHANNEL_LAYERS = {{"default": {{"BACKEND": "{backend}", "CONFIG": {{"hosts": [("127.0.0.1", 6379)]}}}}}}
"""
PROGRAM = """
import asyncio, django
django.setup()
from channels.layers import get_channel_layer

async def main():
    layer, tasks = get_channel_layer(), get_channel_layer("tasks")
    if hasattr(layer, "ring_size"):
        assert await layer.connection(0).ping()  # as code does that knows the class
    await layer.send("reports", {"type": "report"})
    assert (await tasks.receive("reports"))["type"] == "report"
    channel = await layer.new_channel()
    await layer.group_add("room", channel)
    await layer.group_send("room", {"type": "said"})
    assert (await layer.receive(channel))["type"] == "said"
    await layer.send(channel, {"type": "whispered"})
    assert (await layer.receive(channel))["type"] == "whispered"
    print(type(layer).__name__, type(layer).__bases__[-1].__name__)

asyncio.run(main())
"""


@pytest.mark.parametrize("kind", ["core.RedisChannelLayer", "pubsub.RedisPubSubChannelLayer"])
def test_jobs_go_to_the_workers_and_all_else_to_its_own_class(project, tmp_path, kind):
    (tmp_path / "one_layer.py").write_text(SETTINGS.format(backend=f"channels_redis.{kind}"))
    environment = {
        "APP_OVERLAY": "on",
        "APP_SETTINGS": "one_layer",
        "DJANGO_SETTINGS_MODULE": "channels_stack.overlay",
        "APP_WORKER_CHANNELS": "reports",
        "PYTHONPATH": f"{project.environment['PYTHONPATH']}:{tmp_path}",
    }
    process = project.python("-c", PROGRAM, **environment)
    assert process.wait() == 0, process.output()
    assert process.output().split()[-1] == kind.partition(".")[2]
