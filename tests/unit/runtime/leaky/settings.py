"""A project whose every failure has something in its text that was sent to it."""

import os

from channels_stack.layers import channel_layers

SECRET_KEY = os.environ["SECRET_KEY"]
CHANNEL_LAYERS = channel_layers(os.environ["REDIS_URL"], os.environ["REDIS_PREFIX"])
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
INSTALLED_APPS = ["channels"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware"]
ROOT_URLCONF = "leaky.asgi"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
USE_TZ = True
