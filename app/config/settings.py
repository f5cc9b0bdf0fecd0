"""Django settings of the reference application, for every environment.

What differs between environments comes from environment variables or files named by NAME_FILE; all that is
missing or wrong is reported together, before Django starts.
"""

from importlib.util import find_spec
from pathlib import Path

import dj_database_url

from channels_stack.environment import Environment
from channels_stack.layers import channel_layers

BASE_DIR = Path(__file__).resolve().parent.parent

env = Environment()
DEBUG = env.boolean("DEBUG", False)
SECRET_KEY = env.secret("SECRET_KEY", purpose="signs sessions and tokens")
ALLOWED_HOSTS = list(env.words("DOMAINS", ("localhost",), purpose="host names the stack answers to"))
_database_url = env.secret("DATABASE_URL", purpose="the database")
_redis_url = env.secret("REDIS_URL", purpose="the Redis of the channel layers")
_redis_prefix = env.text("REDIS_PREFIX", "channels-stack")
_port = env.integer("PUBLIC_PORT", env.integer("HTTPS_PORT", 443))
# Pages of these origins may open sockets and post forms; by default those that the edge serves.
ALLOWED_ORIGINS = list(env.words("ALLOWED_ORIGINS", ())) or [
    f"https://{host}" + ("" if _port == 443 else f":{_port}") for host in ALLOWED_HOSTS
]
STATIC_ROOT = env.text("STATIC_ROOT", "/srv/static", purpose="folder of collected static files")
# The most threads that a process of http or ws has for what touches the database.
_threads = max(env.integer("HTTP_CONCURRENCY", 6), env.integer("WS_THREADS", 8))
env.check()

INSTALLED_APPS = [
    # Daphne brings the `runserver` that speaks websockets. The default image has no Daphne and needs none.
    *(["daphne"] if find_spec("daphne") else []),
    "channels",
    "channels_stack.console",
    "channels_stack.groups",  # its static file: the browser's client
    "rooms",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "config.policy.policies",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    # Every page needs a user, unless its view says otherwise.
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# A pool for each process: what is idle for a minute is given back, all of it while there are no visitors, and after an outage the
# database is used at once. Its size is for the threads of the process, and some to spare.
DATABASES = {"default": dj_database_url.parse(_database_url, conn_max_age=0, conn_health_checks=True)}
if "postgresql" in DATABASES["default"]["ENGINE"]:
    DATABASES["default"].setdefault("OPTIONS", {}).update(
        {
            "pool": {
                "min_size": 0,
                "max_size": _threads + 2,
                "timeout": 5,
                "max_idle": 60,
                "reconnect_timeout": 5,
            },
            "connect_timeout": 5,  # seconds
            "tcp_user_timeout": 10_000,  # milliseconds without an answer: a database that vanished is noticed
        }
    )
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CHANNEL_LAYERS = channel_layers(_redis_url, _redis_prefix)
# Rooms have the default, a hundred events for a minute: the database has the rest. Typing notices are worth nothing later.
CHANNEL_LAYERS["default"]["CONFIG"]["history"] = {"typing.*": "off"}

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "rooms"
LOGOUT_REDIRECT_URL = "login"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True

STATIC_URL = "static/"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage."
        + ("StaticFilesStorage" if DEBUG else "ManifestStaticFilesStorage")
    },
}

# The edge ends TLS, and overwrites this header in every request.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CSRF_TRUSTED_ORIGINS = ALLOWED_ORIGINS
SESSION_COOKIE_SECURE = not DEBUG
CSRF_COOKIE_SECURE = not DEBUG
X_FRAME_OPTIONS = "DENY"
SECURE_CSP = {
    "default-src": ["'none'"],
    "script-src": ["'self'"],
    "style-src": ["'self'"],
    "img-src": ["'self'"],
    "connect-src": ["'self'"],  # websockets of this origin too
    "form-action": ["'self'"],
    "base-uri": ["'none'"],
    "frame-ancestors": ["'none'"],
}
SILENCED_SYSTEM_CHECKS = [
    "security.W004",  # the edge sends Strict-Transport-Security: it knows whether its certificate is real
    "security.W008",  # the edge redirects HTTP to HTTPS; inside, services talk HTTP
]

# channels_stack configures the logs of server, Django and application in one form; Django must not undo that.
LOGGING_CONFIG = None
