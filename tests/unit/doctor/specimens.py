"""Projects for the doctor, written from short texts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from support.polling import PATIENCE

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
RUNTIME = ROOT / "src/channels_stack"

# A project in which nothing is wrong.
SOUND = {
    "manage.py": """
import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
""",
    "requirements.txt": """
Django==5.2.19
channels==4.3.2
channels-redis==4.3.0
redis==8.1.0
uvicorn==0.54.0
""",
    "config/__init__.py": "",
    "config/settings.py": """
import os

SECRET_KEY = os.environ["SECRET_KEY"]
DEBUG = False
ALLOWED_HOSTS = os.environ["DOMAINS"].split()
INSTALLED_APPS = ["channels", "django.contrib.contenttypes", "django.contrib.auth", "chat"]
ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"
REDIS_URL = os.environ["REDIS_URL"]
PUBSUB = "channels_redis.pubsub.RedisPubSubChannelLayer"
CORE = "channels_redis.core.RedisChannelLayer"
HOST = {"address": REDIS_URL, "socket_timeout": 15, "max_connections": 1000}
CHANNEL_LAYERS = {
    "default": {"BACKEND": PUBSUB, "CONFIG": {"hosts": [HOST], "prefix": "mysite"}},
    "tasks": {"BACKEND": CORE, "CONFIG": {"hosts": [HOST], "prefix": "mysite-tasks"}},
}
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ.get("DB_NAME", "mysite"),
        "CONN_MAX_AGE": 0,
        "OPTIONS": {"pool": {"min_size": 1, "max_size": 8}},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
""",
    "config/urls.py": "urlpatterns = []\n",
    "config/asgi.py": """
import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django_application = get_asgi_application()

from channels.auth import AuthMiddlewareStack
from channels.routing import ChannelNameRouter, ProtocolTypeRouter, URLRouter
from channels.security.websocket import OriginValidator

from chat.consumers import Thumbnails
from chat.routing import routes

application = ProtocolTypeRouter(
    {
        "http": django_application,
        "websocket": OriginValidator(AuthMiddlewareStack(URLRouter(routes)), ["https://example.org"]),
        "channel": ChannelNameRouter({"thumbnails": Thumbnails.as_asgi()}),
    }
)
""",
    "chat/__init__.py": "",
    "chat/models.py": """
from django.db import models


class Room(models.Model):
    slug = models.SlugField()
""",
    "chat/routing.py": """
from django.urls import path

from . import consumers

routes = [path("ws/<slug:slug>/", consumers.Chat.as_asgi())]
""",
    "chat/consumers.py": """
from channels.consumer import AsyncConsumer
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.layers import get_channel_layer

from .models import Room


class Thumbnails(AsyncConsumer):
    async def make(self, event):
        pass


class Chat(AsyncJsonWebsocketConsumer):
    async def connect(self):
        if not self.scope["user"].is_authenticated:
            return await self.close()
        self.room = await database_sync_to_async(Room.objects.get)(slug="lobby")
        self.group = f"room-{self.room.pk}"
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()
        await self.send_json({"room": self.room.name})

    async def receive_json(self, content):
        await self.channel_layer.group_send(self.group, {"type": "said", "text": content["text"]})
        await get_channel_layer("tasks").send("thumbnails", {"type": "make"})

    async def said(self, event):
        await self.send_json(event)
""",
}

# What is done to a file: a new text (None: no such file), or pairs of a text in it and what takes its place.
Edits = dict[str, "str | tuple[str, str] | list[tuple[str, str]] | None"]

SETTINGS, ASGI, CONSUMERS = "config/settings.py", "config/asgi.py", "chat/consumers.py"
ROUTES, REQUIREMENTS = "chat/routing.py", "requirements.txt"


def write(folder: Path, edits: Edits | None = None) -> Path:
    """Write the sound project, edited, into ``folder``."""
    files: dict[str, str | None] = dict(SOUND)
    for path, edit in (edits or {}).items():
        if edit is None or isinstance(edit, str):
            files[path] = edit
            continue
        for old, new in [edit] if isinstance(edit, tuple) else edit:
            text = files[path] or ""
            assert text.count(old) == 1, f"{path} holds {text.count(old)} times {old!r}"
            files[path] = text.replace(old, new)
    for path, text in files.items():
        if text is not None:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    return folder


def doctor(
    *arguments: object, output: int = subprocess.PIPE, **environment: str
) -> subprocess.CompletedProcess[str]:
    """`channels-stack doctor` in a process of its own, with these variables only; OUTPUT: a file for what it prints."""
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(RUNTIME), **environment}
    code = "import sys; from channels_stack.commands.cli import main; sys.exit(main())"
    command = [sys.executable, "-B", "-c", code, "doctor", *map(str, arguments)]
    return subprocess.run(
        command,
        env=variables,
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
