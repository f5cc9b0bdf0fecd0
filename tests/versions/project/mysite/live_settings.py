"""For `python -m mysite.live`: a database file, because a live server is another process, and a layer for one process."""

import os
import tempfile

from .settings import *  # noqa: F403

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.path.join(tempfile.gettempdir(), "live.sqlite3"),
        "TEST": {"NAME": os.path.join(tempfile.gettempdir(), "live-test.sqlite3")},
    }
}
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
