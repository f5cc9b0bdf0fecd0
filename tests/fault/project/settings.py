"""A Channels project as small as possible, with the layer that FAULT_LAYER names."""

import json
import os

from channels_stack.layers import channel_layers

URL, PREFIX = os.environ["REDIS_URL"], os.environ["REDIS_PREFIX"]
HOST = json.loads(os.environ["FAULT_HOST"])  # as the manual writes it
LAYERS = {
    # As the manual writes it, with the one thing that everybody has had to add since redis-py 8: without it the
    # stock sockets die after 5 s, and no fault would have anything left to break.
    "core": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {
            "hosts": [{**HOST, "socket_timeout": 15}],
            "prefix": PREFIX,
            "group_expiry": int(os.environ["FAULT_GROUP_EXPIRY"]),
        },
    },
    # As the manual writes it.
    "pubsub": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [HOST], "prefix": PREFIX},
    },
    # As the stack writes it.
    "groups": channel_layers(URL, PREFIX)["default"],
}

SECRET_KEY = os.environ["SECRET_KEY"]
CHANNEL_LAYERS = {"default": LAYERS[os.environ["FAULT_LAYER"]]}
ALLOWED_HOSTS = ["*"]
DATABASES = {}
