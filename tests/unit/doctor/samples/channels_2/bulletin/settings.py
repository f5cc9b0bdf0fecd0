# ruff: noqa
"""Settings of the bulletin board."""
# planted in file: E511

import os

BASE_DIR = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

SECRET_KEY = "bulletin-board"  # planted: E504
DEBUG = True  # planted: E507
ALLOWED_HOSTS = ["*"]  # planted: W510, E502

INSTALLED_APPS = [  # planted: W208
    "channels",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "bulletin.feed",
]

ROOT_URLCONF = "bulletin.urls"
WSGI_APPLICATION = "bulletin.wsgi.application"
ASGI_APPLICATION = "bulletin.routing.application"  # planted: E205

CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {
            "hosts": [
                {
                    "address": ("127.0.0.1", 6379),
                    "minsize": 2,  # planted: E305
                    "timeout": 5,  # planted: E305
                },
                {"address": "redis://second:6379"},  # planted: E303
            ],
            "prefix": "bulletin",
            "group_expiry": 3600,  # planted: W314
        },
    },
    "old": {
        "BACKEND": "asgi_redis.RedisChannelLayer",  # planted: E109
        "ROUTING": "bulletin.routing.channel_routing",  # planted: E108
    },
}

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",  # planted: W404
        "NAME": os.path.join(BASE_DIR, "db.sqlite3"),
    },
    "archive": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "archive",
        "HOST": "db",
        "CONN_MAX_AGE": 600,  # planted: E401
    },
}

MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
STATIC_URL = "/static/"
