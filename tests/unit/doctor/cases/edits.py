"""Edits of the sound project (specimens.py), and the words that they replace."""

from __future__ import annotations

from specimens import CONSUMERS, REQUIREMENTS
from specimens import SETTINGS as S

INSTALLED = 'INSTALLED_APPS = ["channels", '
DEFAULT = '"default": {"BACKEND": PUBSUB, "CONFIG": {"hosts": [HOST], "prefix": "mysite"}},'
TASKS = '"tasks": {"BACKEND": CORE, "CONFIG": {"hosts": [HOST], "prefix": "mysite-tasks"}},'
CORE_DEFAULT = DEFAULT.replace("PUBSUB", "CORE")
GROUPS = (
    '"default": {"BACKEND": "channels_stack.groups.RedisGroupsChannelLayer", '
    '"CONFIG": {"hosts": [REDIS_URL], "prefix": "mysite"}},'
)
KEY = 'SECRET_KEY = os.environ["SECRET_KEY"]'
HOSTS = 'ALLOWED_HOSTS = os.environ["DOMAINS"].split()'
VALIDATOR = 'OriginValidator(AuthMiddlewareStack(URLRouter(routes)), ["https://example.org"])'
SENT = '{"type": "said", "text": content["text"]}'
JOIN = "await self.channel_layer.group_add(self.group, self.channel_name)"
ACCEPT = "        await self.accept()\n"
MODEL = 'await database_sync_to_async(Room.objects.get)(slug="lobby")'


def host(old: str, new: str) -> dict:
    """The settings with a changed host of both layers."""
    return {S: (old, new)}


def layer(new: str) -> dict:
    """The settings with another layer "tasks"."""
    return {S: (TASKS, new)}


def groups(old: str = "", new: str = "") -> dict:
    """The settings with the groups layer as the default, and this changed in it."""
    return {S: (DEFAULT, GROUPS.replace(old, new) if old else GROUPS)}


def tasks(config: str) -> dict:
    """The settings with this in CONFIG of the layer "tasks", beside what is there."""
    return layer(TASKS.replace('"prefix"', config + ', "prefix"'))


def add(path: str, text: str) -> dict:
    """One file more."""
    return {path: text}


def code(text: str) -> dict:
    """A module more, that the application does not import."""
    return {"chat/extra.py": text}


def required(line: str) -> dict:
    """One requirement more."""
    return {REQUIREMENTS: ("uvicorn==0.54.0\n", f"uvicorn==0.54.0\n{line}\n")}


def method(line: str) -> dict:
    """A line more in an async method of the consumer."""
    return {
        CONSUMERS: (
            "        await self.send_json(event)\n",
            f"        await self.send_json(event)\n        {line}\n",
        )
    }


def cache(location: str) -> str:
    """A cache there, before the settings of the database."""
    backend = "django.core.cache.backends.redis.RedisCache"
    return f"CACHES = {{'default': {{'BACKEND': '{backend}', 'LOCATION': {location}}}}}\nDATABASES ="


CONSOLE = "django.core.mail.backends.console.EmailBackend"
SESSIONS = "django.contrib.sessions.backends"
THROTTLE = "rest_framework.throttling.AnonRateThrottle"
DAPHNE_APPS = 'INSTALLED_APPS = ["django.contrib.staticfiles", "daphne", "channels", '
STATIC_APPS = 'INSTALLED_APPS = ["daphne", "django.contrib.staticfiles", "channels", '
