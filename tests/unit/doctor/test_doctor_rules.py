"""Each rule with a project that breaks it and one that comes close and does not."""

from __future__ import annotations

import pytest
from specimens import ASGI, CONSUMERS, REQUIREMENTS, ROUTES, write
from specimens import SETTINGS as S

from channels_stack.doctor.examine import examine
from channels_stack.doctor.findings import CODE, PREFIX, SETTINGS, rules
from channels_stack.doctor.project import Project

INSTALLED = 'INSTALLED_APPS = ["channels", '
DEFAULT = '"default": {"BACKEND": PUBSUB, "CONFIG": {"hosts": [HOST], "prefix": "mysite"}},'
TASKS = '"tasks": {"BACKEND": CORE, "CONFIG": {"hosts": [HOST], "prefix": "mysite-tasks"}},'
CORE_DEFAULT = DEFAULT.replace("PUBSUB", "CORE")
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

# Rule, the edits that break it, the edits that come close.
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
    (
        "E201",
        {ASGI: ('        "http": django_application,\n', "")},
        {ASGI: ('        "http": django_application,\n', "        **{'http': django_application},\n")},
    ),
    (
        "E202",
        {
            ASGI: [
                ("import os\n", "import os\n\nfrom chat.routing import routes\n"),
                ("from chat.routing import routes\n\napplication", "application"),
            ]
        },
        {
            ASGI: (
                "import os\n",
                "import os\n\nfrom channels.auth import AuthMiddlewareStack\n"
                "from channels.generic.websocket import WebsocketConsumer\n",
            )
        },
    ),
    (
        "E203",
        {ROUTES: (".as_asgi()", "")},
        {ROUTES: ("consumers.Chat.as_asgi()", "consumers.Chat.as_asgi(), name='chat'")},
    ),
    (
        "E203",
        {ASGI: ("Thumbnails.as_asgi()", "Thumbnails")},
        {
            "config/urls.py": "from django.urls import path\n\nfrom chat.views import Page\n\n"
            "urlpatterns = [path('', Page)]\n"
        },
    ),
    (
        "E204",
        {
            ROUTES: (
                "routes = [",
                "from django.urls import include\n\nroutes = [path('x/', include('chat.more')), ",
            )
        },
        {
            "config/urls.py": "from django.urls import include, path\n\n"
            "urlpatterns = [path('', include('chat.urls'))]\n"
        },
    ),
    ("E205", {S: ("config.asgi.application", "chat.routing.application")}, {}),
    (
        "E205",
        {S: ('ASGI_APPLICATION = "config.asgi.application"\n', "")},
        {
            S: (
                'INSTALLED_APPS = ["channels", "django.contrib.contenttypes", "django.contrib.auth", "chat"]\n',
                'INSTALLED_APPS = ["channels"]\n',
            )
        },
    ),
    (
        "E205",
        {S: ("config.asgi.application", "chat.routing.routes")},
        {ASGI: ("application = Prot", "application: object = Prot")},
    ),
    (
        "E206",
        code(
            "from channels.routing import get_default_application\n\n"
            "application = get_default_application()\n"
        ),
        code("from channels.routing import get_default_application\n"),
    ),
    (
        "E207",
        {S: [(INSTALLED, DAPHNE_APPS), ("DEFAULT_AUTO", "STATIC_ROOT = '/srv/static'\nDEFAULT_AUTO")]},
        {S: [(INSTALLED, STATIC_APPS), ("DEFAULT_AUTO", "STATIC_ROOT = '/srv/static'\nDEFAULT_AUTO")]},
    ),
    (
        "W208",
        required("daphne==4.2.3"),
        {**required("daphne==4.2.3"), S: (INSTALLED, 'INSTALLED_APPS = ["daphne", "channels", ')},
    ),
    ("W209", {S: (INSTALLED, "INSTALLED_APPS = [")}, {S: (INSTALLED, "INSTALLED_APPS = [*OTHERS, ")}),
    (
        "E210",
        add("Procfile", "worker: python manage.py runworker thumbnail\n"),
        add("Procfile", "worker: python manage.py runworker --layer tasks thumbnails\n"),
    ),
    (
        "W211",
        {CONSUMERS: ('send("thumbnails"', 'send("thumbs"')},
        {CONSUMERS: ('send("thumbnails"', "send(self.channel_name")},
    ),
    (
        "E301",
        {S: ("CHANNEL_LAYERS =", "OTHER =")},
        {S: [("CHANNEL_LAYERS =", "OTHER ="), ("import os\n", "import os\nfrom vendor.settings import *\n")]},
    ),
    (
        "E302",
        layer('"tasks": {"BACKEND": "channels.layers.InMemoryChannelLayer"},'),
        {
            S: (
                "DATABASES =",
                "if DEBUG:\n"
                "    CHANNEL_LAYERS = {'default': {'BACKEND': 'channels.layers.InMemoryChannelLayer'}}\n"
                "DATABASES =",
            )
        },
    ),
    (
        "E303",
        layer(TASKS.replace("[HOST]", "[HOST, HOST]")),
        {S: (DEFAULT, DEFAULT.replace("[HOST]", "[HOST, HOST]"))},
    ),
    ("E304", layer(TASKS.replace("[HOST]", '"redis://redis:6379"')), layer(TASKS.replace("[HOST]", "HOSTS"))),
    (
        "E305",
        host('"socket_timeout": 15', '"socket_timeout": 15, "minsize": 1'),
        host('"socket_timeout": 15', '"socket_timeout": 15, "password": "x"'),
    ),
    ("W306", {S: (DEFAULT, DEFAULT.replace('"prefix"', '"on_reconnect": print, "prefix"'))}, {}),
    (
        "E307",
        host('"socket_timeout": 15, ', ""),
        {S: ('"socket_timeout": 15, ', ""), REQUIREMENTS: ("redis==8.1.0", "redis==7.4.1")},
    ),
    (
        "E307",
        host('"socket_timeout": 15', '"socket_timeout": 5'),
        host('"socket_timeout": 15', '"socket_timeout": None'),
    ),
    ("E307", layer(TASKS.replace("[HOST]", "[REDIS_URL]")), layer(TASKS.replace("[HOST]", "our_hosts()"))),
    (
        "E307",
        layer('"tasks": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": {"prefix": "x"}},'),
        {},
    ),
    (
        "W308",
        host(', "max_connections": 1000', ""),
        {S: (', "max_connections": 1000', ""), REQUIREMENTS: ("redis==8.1.0", "redis<8")},
    ),
    (
        "W309",
        layer(TASKS.replace(', "prefix": "mysite-tasks"', "")),
        layer(TASKS.replace('"mysite-tasks"', 'os.environ["PREFIX"]')),
    ),
    ("W309", layer(TASKS.replace('"mysite-tasks"', '"asgi"')), {}),
    (
        "E310",
        layer(TASKS.replace("CORE", "PUBSUB")),
        {
            S: (TASKS, ""),
            ASGI: [
                ('        "channel": ChannelNameRouter({"thumbnails": Thumbnails.as_asgi()}),\n', ""),
                ("ChannelNameRouter, ", ""),
            ],
        },
    ),
    (
        "E311",
        {CONSUMERS: ('get_channel_layer("tasks")', "get_channel_layer()")},
        {CONSUMERS: ('get_channel_layer("tasks")', 'get_channel_layer(alias="tasks")')},
    ),
    (
        "E312",
        host("REDIS_URL, ", '"rediss://clustercfg.x.cache.amazonaws.com:6379", '),
        host("REDIS_URL, ", '"rediss://master.x.cache.amazonaws.com:6379", '),
    ),
    (
        "W313",
        {
            S: (
                "DATABASES =",
                cache("REDIS_URL"),
            )
        },
        {
            S: (
                "DATABASES =",
                cache("os.environ['CACHE_URL']"),
            )
        },
    ),
    (
        "W313",
        {
            S: [
                ("REDIS_URL, ", "'redis://:secret@redis:6379/0', "),
                (
                    "DATABASES =",
                    cache("'redis://redis/1'"),
                ),
            ]
        },
        {
            S: [
                ("REDIS_URL, ", "'redis://redis:6379/0', "),
                (
                    "DATABASES =",
                    cache("'redis://cache/1'"),
                ),
            ]
        },
    ),
    (
        "W314",
        {S: (DEFAULT, CORE_DEFAULT)},
        {S: (DEFAULT, CORE_DEFAULT.replace('"prefix"', '"group_expiry": 864000, "prefix"'))},
    ),
    (
        "W314",
        {
            S: (DEFAULT, CORE_DEFAULT.replace('"prefix"', '"group_expiry": 300, "prefix"')),
            REQUIREMENTS: ("uvicorn==0.54.0\n", ""),
        },
        {S: (DEFAULT, CORE_DEFAULT), REQUIREMENTS: ("uvicorn==0.54.0\n", "")},
    ),
    (
        "W315",
        tasks('"symmetric_encryption_keys": [SECRET_KEY]'),
        tasks('"symmetric_encryption_keys": [os.environ["LAYER_KEY"]]'),
    ),
    (
        "W316",
        host("REDIS_URL, ", '"redis://127.0.0.1:6379", '),
        {S: ('os.environ["REDIS_URL"]', 'os.environ.get("REDIS_URL", "redis://localhost")')},
    ),
    (
        "W317",
        code("import redis\n\nclient = redis.Redis(db=3)\n"),
        code("import os\n\nimport redis\n\nclient = redis.Redis(host=os.environ['REDIS_HOST'], db=3)\n"),
    ),
    (
        "W317",
        code(
            "from redis import asyncio as aioredis\n\nPLACE = '127.0.0.1'\n"
            "client = aioredis.from_url(f'redis://{PLACE}:6379/2')\n"
        ),
        code(
            "import os\n\nfrom redis import asyncio as aioredis\n\nPLACE = os.environ.get('REDIS_HOST', 'localhost')\n"
            "client = aioredis.from_url(f'redis://{PLACE}:6379/2')\n"
        ),
    ),
    (
        "W317",
        code("import redis\n\npool = redis.ConnectionPool.from_url('redis://localhost/1')\n"),
        code("import redis\n\n\ndef client(pool):\n    return redis.Redis(connection_pool=pool)\n"),
    ),
    (
        "E401",
        {
            S: [
                ('"CONN_MAX_AGE": 0', '"CONN_MAX_AGE": 600'),
                ('"OPTIONS": {"pool": {"min_size": 1, "max_size": 8}},', ""),
            ]
        },
        {
            S: [
                ('"CONN_MAX_AGE": 0', '"CONN_MAX_AGE": int(os.environ.get("AGE", 0))'),
                ('"OPTIONS": {"pool": {"min_size": 1, "max_size": 8}},', ""),
            ]
        },
    ),
    (
        "E401",
        {
            S: (
                "DEFAULT_AUTO",
                "import dj_database_url\n\n"
                "DATABASES['default'] = dj_database_url.config(conn_max_age=600)\nDEFAULT_AUTO",
            )
        },
        {
            S: (
                "DEFAULT_AUTO",
                "import dj_database_url\n\n"
                "DATABASES['default'] = dj_database_url.config(conn_max_age=0)\nDEFAULT_AUTO",
            )
        },
    ),
    ("E402", {S: ('"CONN_MAX_AGE": 0', '"CONN_MAX_AGE": 60')}, {S: ('        "CONN_MAX_AGE": 0,\n', "")}),
    ("W403", {S: ('"max_size": 8', '"max_size": 20')}, {S: ('"max_size": 8', '"max_size": 13')}),
    (
        "W404",
        {
            S: [
                ('"django.db.backends.postgresql"', '"django.db.backends.sqlite3"'),
                ('os.environ.get("DB_NAME", "mysite")', '"db.sqlite3"'),
                ('"OPTIONS": {"pool": {"min_size": 1, "max_size": 8}},', ""),
            ]
        },
        {
            S: [
                ('"django.db.backends.postgresql"', '"django.db.backends.sqlite3"'),
                ('os.environ.get("DB_NAME", "mysite")', '"/srv/media/db.sqlite3"'),
                ('"OPTIONS": {"pool": {"min_size": 1, "max_size": 8}},', ""),
            ]
        },
    ),
    (
        "W707",
        {
            S: (
                "DEBUG = False",
                'DEBUG = False\nSTATICFILES_DIRS = [BASE / "node_modules/bootstrap", "assets"]',
            )
        },
        {S: ("DEBUG = False", 'DEBUG = False\nSTATICFILES_DIRS = ["assets/node"]\nNPM = "node_modules"')},
    ),
    (
        "E501",
        {ASGI: (VALIDATOR, "AuthMiddlewareStack(URLRouter(routes))")},
        {ASGI: (VALIDATOR, "OurOriginCheck(URLRouter(routes))")},
    ),
    (
        "E501",
        {
            ASGI: [
                (VALIDATOR, "Token(URLRouter(routes))"),
                ("from chat.routing", "from chat.token import Token\nfrom chat.routing"),
            ],
            "chat/token.py": "class Token:\n    pass\n",
        },
        {
            ASGI: [
                (VALIDATOR, "protect(URLRouter(routes))"),
                ("from chat.routing", "from chat.door import protect\nfrom chat.routing"),
            ],
            "chat/door.py": "from channels.security.websocket import OriginValidator\n\n\n"
            "def protect(inner):\n    return OriginValidator(inner, ['https://example.org'])\n",
        },
    ),
    (
        "E502",
        {ASGI: ('"https://example.org"', '"*"')},
        {ASGI: ('"https://example.org"', '"https://*.example.org"')},
    ),
    (
        "E502",
        {
            ASGI: [
                (VALIDATOR, "AllowedHostsOriginValidator(URLRouter(routes))"),
                ("import OriginValidator", "import AllowedHostsOriginValidator"),
            ],
            S: (HOSTS, 'ALLOWED_HOSTS = ["*"]'),
        },
        {
            ASGI: [
                (VALIDATOR, "AllowedHostsOriginValidator(URLRouter(routes))"),
                ("import OriginValidator", "import AllowedHostsOriginValidator"),
            ],
            S: (HOSTS, 'ALLOWED_HOSTS = ["example.org"]'),
        },
    ),
    (
        "W503",
        {ASGI: ('"https://example.org"', '"http://example.org"')},
        {ASGI: ('"https://example.org"', '"http://localhost:8000"')},
    ),
    (
        "W503",
        {ASGI: ('"https://example.org"', '"example.org"')},
        {ASGI: ('"https://example.org"', '"https://example.org:8443"')},
    ),
    (
        "E504",
        {S: (KEY, 'SECRET_KEY = "django-insecure-' + "x1y2z3" * 9 + '"')},
        {S: (KEY, 'SECRET_KEY = read_secret("key")')},
    ),
    ("E504", {S: (KEY, 'SECRET_KEY = "geheim"')}, {S: (KEY, "SECRET_KEY = os.getenv('SECRET_KEY')")}),
    (
        "W505",
        {S: (KEY, 'SECRET_KEY = "' + "x1y2z3" * 9 + '"')},
        {S: (KEY, "SECRET_KEY = open('/run/secrets/secret_key').read()")},
    ),
    (
        "W505",
        {S: (KEY, 'SECRET_KEY = os.environ.get("SECRET_KEY", "unsafe")')},
        {S: (KEY, 'SECRET_KEY = os.environ.get("SECRET_KEY", "")')},
    ),
    (
        "E506",
        {
            S: (
                KEY,
                "from django.core.management.utils import get_random_secret_key\n\n"
                "SECRET_KEY = get_random_secret_key()",
            )
        },
        {S: (KEY, 'SECRET_KEY = get_secret("SECRET_KEY")')},
    ),
    (
        "E506",
        {S: (KEY, 'import secrets\n\nSECRET_KEY = os.environ.get("SECRET_KEY", secrets.token_hex(32))')},
        {},
    ),
    ("E507", {S: ("DEBUG = False", "DEBUG = True")}, {S: ("DEBUG = False\n", "")}),
    (
        "W508",
        {S: ("DEBUG = False", 'DEBUG = os.environ.get("DEBUG", "1") == "1"')},
        {S: ("DEBUG = False", 'DEBUG = os.environ.get("DEBUG") == "1"')},
    ),
    (
        "E509",
        {S: (HOSTS, "ALLOWED_HOSTS = []")},
        {S: (HOSTS, 'ALLOWED_HOSTS = os.environ.get("DOMAINS", "").split()')},
    ),
    ("E509", {S: (HOSTS + "\n", "")}, {S: (HOSTS, 'ALLOWED_HOSTS = [os.environ["DOMAIN"]]')}),
    (
        "W510",
        {S: (HOSTS, 'ALLOWED_HOSTS = ["*"]')},
        {S: (HOSTS, 'ALLOWED_HOSTS = ["*"] if DEBUG else ["example.org"]')},
    ),
    (
        "E511",
        {S: (INSTALLED, 'INSTALLED_APPS = ["django.contrib.staticfiles", "channels", ')},
        {
            S: [
                (INSTALLED, 'INSTALLED_APPS = ["django.contrib.staticfiles", "channels", '),
                ("DEBUG = False", "DEBUG = False\nSTATIC_ROOT = BASE_DIR / 'static'"),
            ]
        },
    ),
    (
        "W512",
        {S: (KEY, KEY + '\nSECRET_KEY_FALLBACKS = [os.environ["OLD_KEY"]]')},
        {S: (KEY, KEY + "\nSECRET_KEY_FALLBACKS = []")},
    ),
    (
        "E513",
        {
            CONSUMERS: [
                (
                    "    async def connect(self):\n",
                    '    async def connect(self):\n        await self.channel_layer.group_add("all", self.channel_name)\n',
                )
            ]
        },
        {
            CONSUMERS: [
                (
                    '        if not self.scope["user"].is_authenticated:\n            return await self.close()\n',
                    "",
                )
            ]
        },
    ),
    (
        "W515",
        {
            S: (
                "DEBUG = False",
                "DEBUG = False\nEMAIL_BACKEND = 'django.core.mail.backends.console.EmailBackend'",
            )
        },
        {S: ("DEBUG = False", "DEBUG = False\nEMAIL_BACKEND = 'anymail.backends.mailgun.EmailBackend'")},
    ),
    (
        "W515",
        {S: ("DEBUG = False", f"DEBUG = False\nMAILERS = {{'default': {{'BACKEND': '{CONSOLE}'}}}}")},
        {
            S: (
                "DEBUG = False",
                f"DEBUG = False\nif DEBUG:\n    MAILERS = {{'default': {{'BACKEND': '{CONSOLE}'}}}}",
            )
        },
    ),
    (
        "E516",
        {S: ("DEBUG = False", f"DEBUG = False\nSESSION_ENGINE = '{SESSIONS}.cache'")},
        {S: ("DEBUG = False", f"DEBUG = False\nSESSION_ENGINE = '{SESSIONS}.cached_db'")},
    ),
    (
        "E516",
        {S: ("DEBUG = False", f"DEBUG = False\nSESSION_ENGINE = '{SESSIONS}.file'")},
        {
            S: [
                ("DEBUG = False", f"DEBUG = False\nSESSION_ENGINE = '{SESSIONS}.cache'"),
                ("DATABASES =", cache("os.environ['CACHE_URL']")),
            ]
        },
    ),
    (
        "W517",
        {
            S: (
                "DEBUG = False",
                f"DEBUG = False\nREST_FRAMEWORK = {{'DEFAULT_THROTTLE_CLASSES': [{THROTTLE!r}]}}",
            )
        },
        {S: ("DEBUG = False", "DEBUG = False\nREST_FRAMEWORK = {'DEFAULT_THROTTLE_CLASSES': []}")},
    ),
    (
        "W517",
        {S: ("DEBUG = False", "DEBUG = False\nAXES_HANDLER = 'axes.handlers.cache.AxesCacheHandler'")},
        {S: ("DEBUG = False", "DEBUG = False\nAXES_HANDLER = 'axes.handlers.database.AxesDatabaseHandler'")},
    ),
    (
        "E601",
        {
            CONSUMERS: [
                ("from channels.consumer", "import time\n\nfrom channels.consumer"),
                ("        await self.send_json(event)\n", "        time.sleep(1)\n"),
            ]
        },
        {
            CONSUMERS: [
                (
                    "from channels.consumer",
                    "import time\n\nfrom asgiref.sync import sync_to_async\nfrom channels.consumer",
                ),
                (
                    "        await self.send_json(event)\n",
                    "        await sync_to_async(time.sleep)(1)\n"
                    "        await sync_to_async(lambda: time.sleep(1))()\n",
                ),
            ]
        },
    ),
    (
        "E601",
        {
            CONSUMERS: [
                ("from channels.consumer", "import requests\nfrom channels.consumer"),
                ("        await self.send_json(event)\n", "        requests.get('https://example.org')\n"),
            ]
        },
        {
            CONSUMERS: [
                ("from channels.consumer", "import httpx\nfrom channels.consumer"),
                (
                    "        await self.send_json(event)\n",
                    "        async with httpx.AsyncClient() as client:\n"
                    "            await client.get('https://example.org')\n",
                ),
            ]
        },
    ),
    (
        "E601",
        {
            "chat/weather.py": "import requests\n\n\nasync def asked(city):\n    return parsed(city)\n\n\n"
            "def parsed(city):\n    return requests.get(city).json()\n",
            CONSUMERS: [
                ("from .models import Room\n", "from .models import Room\nfrom .weather import asked\n"),
                ("        await self.send_json(event)\n", "        await asked('Rome')\n"),
            ],
        },
        {
            "chat/weather.py": "import requests\n\n\ndef asked(city):\n    return requests.get(city).json()\n",
            CONSUMERS: [
                ("from .models import Room\n", "from .models import Room\nfrom .weather import asked\n"),
                (
                    "        await self.send_json(event)\n",
                    "        await database_sync_to_async(asked)('Rome')\n",
                ),
            ],
        },
    ),
    (
        "E602",
        {CONSUMERS: ("        await self.send_json(event)\n", "        self.room.save()\n")},
        {
            CONSUMERS: (
                "        await self.send_json(event)\n",
                "        await self.room.asave()\n        await database_sync_to_async(self.room.save)()\n"
                "        self.picture.save()\n",
            )
        },
    ),
    (
        "E602",
        {
            CONSUMERS: (
                "        await self.send_json(event)\n",
                "        room = Room(slug='a')\n        room.save()\n",
            )
        },
        {
            CONSUMERS: (
                "        await self.send_json(event)\n",
                "        room = Form(slug='a')\n        room.save()\n",
            )
        },
    ),
    (
        "E602",
        {CONSUMERS: ("        await self.send_json(event)\n", '        self.scope["session"].save()\n')},
        {CONSUMERS: ("        await self.send_json(event)\n", '        self.scope["cart"].save()\n')},
    ),
    (
        "E602",
        {CONSUMERS: (MODEL, 'Room.objects.filter(slug="lobby").first()')},
        {CONSUMERS: (MODEL, 'await Room.objects.filter(slug="lobby").afirst()')},
    ),
    (
        "E603",
        {
            CONSUMERS: [
                ("from channels.consumer", "from asgiref.sync import async_to_sync\nfrom channels.consumer"),
                (
                    "        await self.channel_layer.group_send(self.group,",
                    "        async_to_sync(self.channel_layer.group_send)(self.group,",
                ),
            ]
        },
        code(
            "from asgiref.sync import async_to_sync\n\n\ndef tell(layer):\n"
            "    async_to_sync(layer.group_send)('all', {'type': 'said'})\n"
        ),
    ),
    ("E604", {CONSUMERS: (JOIN, JOIN.replace("await ", ""))}, {}),
    ("E605", {CONSUMERS: ('f"room-{', 'f"room:{')}, {CONSUMERS: ('f"room-{', 'f"room.{')}),
    (
        "E605",
        code(
            "async def tell(channel_layer):\n"
            "    await channel_layer.group_send('alle Räume', {'type': 'said'})\n"
        ),
        code(
            "async def tell(channel_layer):\n"
            "    await channel_layer.group_send('room-%s' % 5, {'type': 'said'})\n"
        ),
    ),
    (
        "E605",
        code(
            "NAME = 'x' * 2\n\n\nasync def tell(channel_layer):\n    await channel_layer.group_send('"
            + "x" * 100
            + "', {'type': 'said'})\n"
        ),
        code(
            "async def tell(channel_layer):\n    await channel_layer.group_send('"
            + "x" * 99
            + "', {'type': 'said'})\n"
        ),
    ),
    ("E606", {CONSUMERS: (SENT, '{"text": content["text"]}')}, {CONSUMERS: (SENT, "{**content}")}),
    (
        "E607",
        {CONSUMERS: ("return await self.close()", "return await self.disconnect(4003)")},
        {
            CONSUMERS: (
                "    async def said",
                "    async def disconnect(self, code):\n        pass\n\n    async def said",
            )
        },
    ),
    (
        "W608",
        code(
            "from django.http import StreamingHttpResponse\n\n\ndef rows():\n    yield 'a'\n\n\n"
            "def export(request):\n    return StreamingHttpResponse(rows())\n"
        ),
        code(
            "from django.http import StreamingHttpResponse\n\n\nasync def rows():\n    yield 'a'\n\n\n"
            "def export(request):\n    return StreamingHttpResponse(rows())\n"
        ),
    ),
    (
        "W608",
        code(
            "from django.http import StreamingHttpResponse\n\n\ndef export(request):\n"
            "    rows = (str(number) for number in range(9))\n    return StreamingHttpResponse(rows)\n"
        ),
        code(
            "from django.http import StreamingHttpResponse\n\n\nasync def export(request):\n"
            "    rows = (str(number) async for number in numbers())\n    return StreamingHttpResponse(rows)\n"
        ),
    ),
    (
        "W608",
        code(
            "from django.http import FileResponse\n\n\ndef get(request):\n    return FileResponse(open('/srv/a', 'rb'))\n"
        ),
        code(
            "from django.http import StreamingHttpResponse\n\n\ndef get(request, lines):\n"
            "    return StreamingHttpResponse(lines)\n"
        ),
    ),
    (
        "E701",
        {REQUIREMENTS: ("channels==4.3.2", "channels>=3,<4")},
        {REQUIREMENTS: ("channels==4.3.2", "channels>=3,<5")},
    ),
    ("E701", required("asgiref~=3.5.0"), required("asgiref~=3.5")),
    ("E702", required("aioredis==1.3.1"), required("aiopg==1.4.0")),
    (
        "E703",
        {REQUIREMENTS: ("Django==5.2.19", "Django==6.0.1")},
        {REQUIREMENTS: ("Django==5.2.19", "Django==6.0.6")},
    ),
    (
        "E703",
        {**required("daphne==4.1.2"), S: (INSTALLED, 'INSTALLED_APPS = ["daphne", "channels", ')},
        {**required("daphne>=4.1.2"), S: (INSTALLED, 'INSTALLED_APPS = ["daphne", "channels", ')},
    ),
    ("E704", required("autobahn==25.9.1"), required("autobahn==25.10.1")),
    (
        "W708",
        {REQUIREMENTS: ("Django==5.2.19", "Django>=4.2,<5.2")},
        {REQUIREMENTS: ("Django==5.2.19", "Django>=4.2,<5.3")},
    ),
    ("W708", {".python-version": "3.8.20\n"}, {".python-version": "3.13.1\n"}),
    (
        "W708",
        add("Pipfile", '[requires]\npython_version = "3.8"\n'),
        add("Pipfile", '[requires]\npython_version = "3.13"\n'),
    ),
    (
        "W705",
        {**required("django-dotenv==1.4.2\nuvicorn[standard]==0.54.0")},
        required("django-dotenv==1.4.2"),
    ),
    (
        "W706",
        add("locale/de/LC_MESSAGES/django.po", 'msgid "Rooms"\nmsgstr "Räume"\n'),
        add("locale/de/LC_MESSAGES/django.mo", ""),
    ),
]
# Where something else is wrong as well, because the one brings the other.
COMPANY = {
    ("E701", 0): {"E701", "W208"},  # old Channels brought Daphne along
    ("E502", 1): {"E502", "W510"},
    ("W708", 0): {"W708", "E703"},  # what has no fixes lacks those of the newest holes
}


def found(folder) -> list[str]:
    """The rules that find something in the project at ``folder``."""
    return [finding.id[len(PREFIX) :] for finding in report(folder).findings]


def report(folder):
    """What the doctor says of the project at ``folder``."""
    result = examine(Project(str(folder)))
    assert result.failures == []
    return result


def test_the_sound_project(tmp_path):
    assert report(write(tmp_path)).findings == []


NUMBERED = [
    pytest.param(id_, broken, close, [one for one, *_ in CASES[:place]].count(id_), id=f"{id_}-{place}")
    for place, (id_, broken, close) in enumerate(CASES)
]


@pytest.mark.parametrize(("id_", "broken", "close", "nth"), NUMBERED)
def test_broken(tmp_path, id_, broken, close, nth):
    assert set(found(write(tmp_path, broken))) == COMPANY.get((id_, nth), {id_})


@pytest.mark.parametrize(("id_", "broken", "close", "nth"), [case for case in NUMBERED if case.values[2]])
def test_close(tmp_path, id_, broken, close, nth):
    assert found(write(tmp_path, close)) == []


def test_every_rule_has_a_case():
    assert {id_ for id_, *_ in CASES} == {rule.id[len(PREFIX) :] for rule in rules(SETTINGS, CODE)}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.id)
def test_every_rule_is_documented(rule):
    assert rule.title and rule.production and rule.instead
    assert "\n" not in rule.title and not rule.title.endswith(".")
