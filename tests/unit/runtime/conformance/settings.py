"""A Channels project as small as possible: what every server must do with it is the same."""

import os

from channels_stack.environment import Environment
from channels_stack.layers import channel_layers

env = Environment()
SECRET_KEY = env.secret("SECRET_KEY")
CHANNEL_LAYERS = channel_layers(env.secret("REDIS_URL"), env.text("REDIS_PREFIX", "channels-stack"))
if os.environ.get("TEST_LAYER") == "pubsub":
    # What a project has that names this class.
    CHANNEL_LAYERS["default"]["BACKEND"] = "channels_redis.pubsub.RedisPubSubChannelLayer"
    del CHANNEL_LAYERS["default"]["CONFIG"]["bridge"]
if "TEST_SILENCE" in os.environ:
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "conformance.quiet_layer.QuietLayer",
            "CONFIG": {"silence": os.environ["TEST_SILENCE"]},
        }
    }
STATIC_ROOT = env.text("STATIC_ROOT", "/srv/static")
env.check()

DEBUG = False
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["django.contrib.staticfiles"]
ROOT_URLCONF = "conformance.pages"
STATIC_URL = "/static/"
FORCE_SCRIPT_NAME = os.environ.get("TEST_SCRIPT_NAME")
# A project that believes the header itself, as most do: the runtime must not let strangers set it.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
if "TEST_POSTGRES_PORT" in os.environ:
    DATABASES["default"] = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "postgres",
        "HOST": "127.0.0.1",
        "PORT": os.environ["TEST_POSTGRES_PORT"],
        "USER": "postgres",
    }
if "TEST_POSTGRES_POOL" in os.environ:
    DATABASES["default"]["OPTIONS"] = {"pool": {"min_size": 2}}
