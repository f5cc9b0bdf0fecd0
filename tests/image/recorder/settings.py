"""The least that the runtime asks of a project: a key, channel layers, a database in memory."""

import os

from channels_stack.layers import channel_layers

SECRET_KEY = os.environ["SECRET_KEY"]
ALLOWED_HOSTS = ["*"]
CHANNEL_LAYERS = channel_layers(os.environ["REDIS_URL"], "recorder")
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
