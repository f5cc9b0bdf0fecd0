"""E3xx, W3xx: channel layers, clients of Redis."""

from __future__ import annotations

from specimens import ASGI, CONSUMERS, REQUIREMENTS
from specimens import SETTINGS as S

from .edits import CORE_DEFAULT, DEFAULT, GROUPS, TASKS, cache, code, groups, host, layer, tasks

CASES = [
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
    ("W309", groups(', "prefix": "mysite"', ""), groups()),
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
        "W313",
        {S: [(DEFAULT, GROUPS), (TASKS, ""), ("DATABASES =", cache("REDIS_URL"))]},
        {S: [(DEFAULT, GROUPS), (TASKS, ""), ("DATABASES =", cache("os.environ['CACHE_URL']"))]},
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
        "W315",
        groups('"prefix"', '"symmetric_encryption_keys": [SECRET_KEY], "prefix"'),
        groups('"prefix"', '"symmetric_encryption_keys": [os.environ["LAYER_KEY"]], "prefix"'),
    ),
    ("W316", groups("[REDIS_URL]", '"redis://localhost:6379"'), groups("[REDIS_URL]", "REDIS_URL")),
    ("W316", groups('"hosts": [REDIS_URL], ', ""), groups()),
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
]
