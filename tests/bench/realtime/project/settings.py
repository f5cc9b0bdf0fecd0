"""One Channels project for all sides; BENCH_LAYER is the channel layer that it names."""

import os

LAYERS = {
    "pubsub": "channels_redis.pubsub.RedisPubSubChannelLayer",
    "core": "channels_redis.core.RedisChannelLayer",
    "groups": "channels_stack.groups.RedisGroupsChannelLayer",
}
LAYER = os.environ.get("BENCH_LAYER", "groups")
SECRET_KEY = os.environ["SECRET_KEY"]
DEBUG = False
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["channels"]
ASGI_APPLICATION = "project.asgi.application"
ROOT_URLCONF = "project.asgi"
USE_TZ = True
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": LAYERS[LAYER],
        "CONFIG": {
            "hosts": [os.environ["REDIS_URL"]],
            "prefix": os.environ.get("REDIS_PREFIX", "channels-stack"),
            "capacity": 10_000,
        },
    }
}
