from .base import *  # noqa: F403

SECRET_KEY = "local-only"
DEBUG = True
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": "localhost",
        "NAME": "clinic",
        "USER": "clinic",
        "PASSWORD": "clinic",
        "CONN_MAX_AGE": 600,
        "ATOMIC_REQUESTS": True,
    }
}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": ["redis://localhost:6379/1"], "symmetric_encryption_keys": [SECRET_KEY]},
    }
}
