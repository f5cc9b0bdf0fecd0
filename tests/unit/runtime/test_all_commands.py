"""Every command that needs the project loads it in the same way: through the overlay, with secrets from files."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import urllib.request

import pytest
from processes import Project, free_port, until

from channels_stack.commands import cli
from channels_stack.jobs.layer import RedisStreamsChannelLayer
from channels_stack.layers.config import channel_layers

SETTINGS = """
import os
SECRET_KEY = os.environ["SECRET_KEY"]  # which the environment has as a file
INSTALLED_APPS = ["channels", "django.contrib.contenttypes", "django.contrib.auth", "django.contrib.staticfiles"]
ROOT_URLCONF = "laptop.urls"
STATIC_URL = "/static/"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
CHANNEL_LAYERS = {  # as on the laptop where it was written
    name: {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"hosts": [("127.0.0.1", 6379)]}}
    for name in ("default", "tasks")
}
"""
ASGI = """
from channels.consumer import AsyncConsumer
from channels.routing import ChannelNameRouter, ProtocolTypeRouter
from django.core.asgi import get_asgi_application

class Reports(AsyncConsumer):
    pass

application = ProtocolTypeRouter(
    {"http": get_asgi_application(), "channel": ChannelNameRouter({"reports": Reports.as_asgi()})}
)
"""


@pytest.fixture
def laptop(tmp_path, redis):
    """A project that runs on a laptop only, but for the overlay."""
    folder = tmp_path / "laptop"
    folder.mkdir()
    for name, text in {
        "__init__": "",
        "settings": SETTINGS,
        "asgi": ASGI,
        "urls": "urlpatterns = []",
    }.items():
        (folder / f"{name}.py").write_text(text)
    secret = tmp_path / "secret_key"
    secret.write_text("k7f3-only-for-tests-" * 4)
    project = Project(tmp_path, redis)
    del project.environment["SECRET_KEY"]
    project.environment |= {
        "SECRET_KEY_FILE": str(secret),
        "APP_OVERLAY": "on",
        "APP_SETTINGS": "laptop.settings",
        "APP_ASGI": "laptop.asgi:application",
        "DJANGO_SETTINGS_MODULE": "laptop.settings",
        "DATABASE_URL": f"sqlite:///{tmp_path}/database.sqlite3",
        "PYTHONPATH": f"{project.environment['PYTHONPATH']}:{tmp_path}",
        "ALLOWED_HOSTS": "localhost",
    }
    yield project
    project.end()


# What each command answers, or says when it works; those without one do not load the project.
COMMANDS = {
    "serve": (["serve", "ws", "--port={port}"], ""),
    "worker": (
        ["worker", "reports", "--port=0", "--heartbeat={folder}/beat"],
        "worker: listening on reports",
    ),
    "release": (["release"], "release: "),
    "migrations": (["migrations"], '"unknown": []'),
    "dead": (["dead", "list", "--json"], '"channel": "reports"'),
    "doctor": None,
    "status": None,
    "metrics": None,
    "compare": None,
    "paths": None,
}


def test_the_table_has_every_command():
    (commands,) = [
        action for action in cli.parser()._actions if isinstance(action, argparse._SubParsersAction)
    ]
    assert set(commands.choices) == set(COMMANDS)


@pytest.mark.parametrize("name", [name for name, row in COMMANDS.items() if row])
def test_it_loads_the_project_through_the_overlay(laptop, redis, name):
    asyncio.run(_bury(redis))
    if name in ("serve", "worker"):
        release = laptop.command("release")
        assert release.wait() == 0, release.output()
    words, told = COMMANDS[name]
    port = free_port()
    process = laptop.command(*(word.format(port=port, folder=laptop.folder) for word in words))
    if name == "serve":
        until(lambda: _live(port) or process.exit_code() is not None, what="it serves")
    if name in ("serve", "worker"):
        process.says(told)
        assert process.exit_code() is None, process.output()
        process.terminate()
    assert process.wait() == 0, process.output()
    assert told in process.output(), process.output()
    assert "Traceback" not in process.output()


def _live(port: int) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/-/live") as answer:
        return answer.status == 200
    return False


async def _bury(redis) -> None:
    layer = RedisStreamsChannelLayer(**channel_layers(redis.url, redis.prefix)["tasks"]["CONFIG"])
    await layer.send("reports", {"type": "report.make"})
    (job,) = await layer.jobs.take("reports", 1)
    await layer.jobs.bury(job, "why")
    await layer.close_pools()


def test_dead_letters_of_a_redis_that_is_away(laptop):
    process = laptop.command("dead", "list", REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
    assert process.wait() == 1
    assert "dead list: Redis does not answer" in process.output()
    assert "Traceback" not in process.output()
