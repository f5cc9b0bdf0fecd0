"""E4xx, E5xx, W4xx, W5xx: databases, security, processes."""

from __future__ import annotations

from specimens import ASGI, CONSUMERS
from specimens import SETTINGS as S

from .edits import CONSOLE, HOSTS, INSTALLED, KEY, SESSIONS, THROTTLE, VALIDATOR, cache

CASES = [
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
]
