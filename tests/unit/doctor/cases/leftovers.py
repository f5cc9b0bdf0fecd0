"""E0xx, E1xx, W1xx: what cannot be read, and what Channels 1 to 3 and old Djangos had."""

from __future__ import annotations

from specimens import CONSUMERS, REQUIREMENTS

from .edits import TASKS, add, code, layer

CASES = [
    ("E001", code("def broken(:\n"), code("def whole():\n    pass\n")),
    ("W002", code("x = 1\n" * 500_000), code("x = 1\n" * 5_000)),
    (
        "E101",
        code("from channels.http import AsgiHandler\n"),
        code("from django.core.handlers.asgi import ASGIRequest\n"),
    ),
    (
        "E101",
        code("from channels.handler import AsgiRequest\n"),
        code(
            "try:\n    from channels.http import AsgiHandler\nexcept ImportError:\n    AsgiHandler = None\n"
        ),
    ),
    (
        "E102",
        code("from channels.staticfiles import StaticFilesWrapper\n"),
        code("from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler\n"),
    ),
    ("E103", code("from channels import signals\n"), code("from django.core import signals\n")),
    ("E104", code("from channels.hacks import monkeypatch_django\n"), code("hacks = 'channels.hacks'\n")),
    (
        "E105",
        code("from channels.management.commands.runserver import Command\n"),
        code("from daphne.management.commands.runserver import Command\n"),
    ),
    ("E106", code("from channels import Group\n"), code("from django.contrib.auth.models import Group\n")),
    (
        "E106",
        code("from channels.sessions import channel_session\n"),
        code("from channels.sessions import SessionMiddleware\n"),
    ),
    (
        "E107",
        code("from channels.log import setup_logger\n"),
        code("from channels.testing import WebsocketCommunicator\n"),
    ),
    ("E108", layer(TASKS.replace('"CONFIG"', '"ROUTING": "chat.routing.routes", "CONFIG"')), {}),
    ("E109", layer('"tasks": {"BACKEND": "asgi_redis.RedisChannelLayer"},'), {}),
    (
        "W110",
        layer('"tasks": {"BACKEND": "channels_rabbitmq.core.RabbitmqChannelLayer"},'),
        layer('"tasks": {"BACKEND": "mysite.layers.OurOwn"},'),
    ),
    (
        "E111",
        code(
            "class App:\n    def __init__(self, scope):\n        self.scope = scope\n\n"
            "    async def __call__(self, receive, send):\n        pass\n"
        ),
        code(
            "class App:\n    def __init__(self, inner):\n        self.inner = inner\n\n"
            "    async def __call__(self, scope, receive, send):\n        pass\n"
        ),
    ),
    (
        "E111",
        code(
            "def app(scope):\n    async def instance(receive, send):\n        pass\n\n    return instance\n"
        ),
        code(
            "def app(inner):\n    async def instance(scope, receive, send):\n        pass\n\n"
            "    return instance\n"
        ),
    ),
    (
        "E111",
        {
            CONSUMERS: (
                "    async def make(self",
                "    def __init__(self, scope):\n        self.scope = scope\n\n    async def make(self",
            )
        },
        {
            CONSUMERS: (
                "    async def make(self",
                "    def __init__(self, size=100):\n        self.size = size\n\n    async def make(self",
            )
        },
    ),
    (
        "E112",
        code(
            "class Token:\n    def __init__(self, inner):\n        self.inner = inner\n\n"
            "    def __call__(self, scope):\n        return self.inner(scope)\n"
        ),
        code(
            "from channels.middleware import BaseMiddleware\n\n\n"
            "class Token(BaseMiddleware):\n"
            "    async def __call__(self, scope, receive, send):\n"
            "        await super().__call__(scope, receive, send)\n"
        ),
    ),
    (
        "E112",
        code(
            "from channels.middleware import BaseMiddleware\n\n\n"
            "class Token(BaseMiddleware):\n    async def resolve_scope(self, scope):\n"
            "        scope['user'] = None\n"
        ),
        code(
            "from channels.auth import AuthMiddleware\n\n\nclass Token(AuthMiddleware):\n"
            "    async def resolve_scope(self, scope):\n        scope['user'] = None\n"
        ),
    ),
    (
        "E113",
        code(
            "from channels.sessions import InstanceSessionWrapper\n\n\n"
            "class Wrapper(InstanceSessionWrapper):\n    def save_session(self):\n"
            "        pass\n"
        ),
        code(
            "from channels.sessions import InstanceSessionWrapper\n\n\n"
            "class Wrapper(InstanceSessionWrapper):\n    async def save_session(self):\n"
            "        pass\n"
        ),
    ),
    (
        "E114",
        add("Procfile", "web: daphne --ws-protocols graphql-ws config.asgi:application\n"),
        add("Procfile", "web: daphne --websocket_timeout 3600 config.asgi:application\n"),
    ),
    (
        "E116",
        code("from django.utils.translation import ugettext_lazy as _\n"),
        code("from django.utils.translation import gettext_lazy as _\n"),
    ),
    (
        "E116",
        code(
            "from django.utils import timezone\n\nSTART = timezone.datetime(2026, 1, 1, tzinfo=timezone.utc)\n"
        ),
        code("from django.utils.itercompat import is_iterable\n"),
    ),
    (
        "E116",
        code("from django.utils.itercompat import is_iterable\n")
        | {REQUIREMENTS: ("Django==5.2.19", "Django>=5.2")},
        code("try:\n    from django.utils import six\nexcept ImportError:\n    six = None\n"),
    ),
    (
        "W115",
        add("Procfile", "web: gunicorn -k uvicorn.workers.UvicornWorker config.asgi\n"),
        add("Procfile", "web: gunicorn -k uvicorn_worker.UvicornWorker config.asgi\n"),
    ),
    (
        "W115",
        code("from uvicorn.workers import UvicornWorker\n"),
        code("from uvicorn_worker import UvicornWorker\n"),
    ),
]
