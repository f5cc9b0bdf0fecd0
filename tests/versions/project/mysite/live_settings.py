"""For `python -m mysite.live`: a database file, because a live server is another process, and a layer for one process."""

from .settings import *  # noqa: F403

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": "/tmp/live.sqlite3",
        "TEST": {"NAME": "/tmp/live-test.sqlite3"},
    }
}
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
