# ruff: noqa
"""What all environments share."""

import os
from pathlib import Path

from django.core.management.utils import get_random_secret_key

BASE_DIR = Path(__file__).resolve().parents[2]
SECRET_KEY = os.environ.get("SECRET_KEY", get_random_secret_key())  # planted: E506
DEBUG = os.environ.get("DEBUG", "true").lower() in ("1", "true")
ALLOWED_HOSTS = []

DJANGO_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
]
INSTALLED_APPS = DJANGO_APPS + ["daphne"]  # planted: E207
INSTALLED_APPS += ["orders"]  # planted: W209
ROOT_URLCONF = "shop.urls"
ASGI_APPLICATION = "shop.asgi.app"  # planted: E205
STATIC_ROOT = BASE_DIR / "static"

CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": os.environ["REDIS_URL"] + "/1",  # planted: W313
    }
}
CHANNEL_LAYERS = {
    "default": {  # planted: W309
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {
            "hosts": [os.environ["REDIS_URL"] + "/0"],
            "on_disconnect": "redis.disconnect",  # planted: W306
            "symmetric_encryption_keys": [os.environ["LAYER_KEY"]],
        },
    },
    "jobs": {
        "BACKEND": "channels.layers.InMemoryChannelLayer",  # planted: E302
    },
    "mails": {
        "BACKEND": "channels_rabbitmq.core.RabbitmqChannelLayer",  # planted: W110
        "CONFIG": {"host": "amqp://rabbit"},
    },
}
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "shop",
        "HOST": os.environ.get("DB_HOST", "localhost"),
        "CONN_MAX_AGE": None,
    }
}
