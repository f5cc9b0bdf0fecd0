"""The least that the console needs: no middleware against forms of other sites, frames or caches is here."""

import os

SECRET_KEY = os.environ["SECRET_KEY"]
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = [
    "channels",
    "channels_stack.console",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
ROOT_URLCONF = "desk.urls"
ASGI_APPLICATION = "desk.asgi.application"
STATIC_URL = "static/"
LOGIN_URL = "/login/"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["TEST_DATABASE"],
        "OPTIONS": {"timeout": 20},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": os.environ.get("TEST_LAYER", "channels_redis.pubsub.RedisPubSubChannelLayer"),
        "CONFIG": {"hosts": [os.environ["TEST_REDIS"]], "prefix": "desk"},
    },
    "tasks": {
        "BACKEND": "channels_stack.streams.RedisStreamsChannelLayer",
        "CONFIG": {"hosts": [os.environ["TEST_REDIS"]], "prefix": "desk:tasks:"},
    },
}
