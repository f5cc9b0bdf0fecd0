"""A project with worker channels and nothing else, for the tests of the worker and of the release."""

import os

from channels_stack.layers import channel_layers

SECRET_KEY = os.environ["SECRET_KEY"]
CHANNEL_LAYERS = channel_layers(os.environ["REDIS_URL"], os.environ["REDIS_PREFIX"])
if os.environ.get("JOBS_STOCK_LAYER"):
    # What people write down from the manual.
    hosts = {"hosts": [os.environ["REDIS_URL"]], "prefix": os.environ["REDIS_PREFIX"] + ":tasks:"}
    CHANNEL_LAYERS["tasks"] = {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": hosts}

if os.environ.get("JOBS_CORE_LAYER"):
    # What a project of its own layers has, with the stack's connections.
    CHANNEL_LAYERS["tasks"] = {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {
            "hosts": CHANNEL_LAYERS["default"]["CONFIG"]["hosts"],
            "prefix": os.environ["REDIS_PREFIX"] + ":core:",
            "capacity": 10_000,
        },
    }
if os.environ.get("JOBS_LEASE"):
    CHANNEL_LAYERS["tasks"]["CONFIG"]["lease"] = float(os.environ["JOBS_LEASE"])

DEBUG = False
ALLOWED_HOSTS = ["localhost"]
INSTALLED_APPS = ["jobs", "channels", "django.contrib.contenttypes", "django.contrib.staticfiles"]
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware"]
ASGI_APPLICATION = "jobs.asgi.application"
ROOT_URLCONF = "jobs.asgi"
STATIC_URL = "/static/"
STATIC_ROOT = os.environ.get("STATIC_ROOT")
STATICFILES_DIRS = [os.path.join(os.path.dirname(__file__), "static")]
if os.environ.get("JOBS_ERROR"):
    STATICFILES_DIRS.append(STATIC_ROOT)  # staticfiles.E002
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ.get("JOBS_SQLITE", ":memory:")}
}
if "JOBS_DATABASE_PORT" in os.environ:
    DATABASES["default"] = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ.get("JOBS_DATABASE", "postgres"),
        "USER": "postgres",
        "PASSWORD": "s3cret-of-the-database",
        "HOST": "127.0.0.1",
        "PORT": os.environ["JOBS_DATABASE_PORT"],
        "OPTIONS": {"pool": True},
    }
# As many projects have it: other loggers are switched off, lines go to the console in a form of their own.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": True,
    "formatters": {"own": {"format": "OWN FORM %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "own"}},
    "loggers": {"jobs": {"handlers": ["console"], "level": "INFO", "propagate": False}},
}
