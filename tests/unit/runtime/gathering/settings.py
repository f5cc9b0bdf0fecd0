"""A Channels project as its documentation writes it, and the two lines of docs/reference/groups.md."""

import os

SECRET_KEY = "only-for-tests"
ALLOWED_HOSTS = ["*"]
DATABASES = {}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_stack.groups.RedisGroupsChannelLayer",
        "CONFIG": {
            "hosts": [os.environ["REDIS_URL"]],
            "prefix": os.environ["REDIS_PREFIX"],
            "history": {
                "latest*": {"size": 1},
                "off*": "off",
                # Of the trials in tests/realtime: as long as somebody may be away there.
                "jitter*": {"size": 2000, "seconds": 300},
                "storm*": {"size": 2000, "seconds": 300},
            },
        },
    },
}
if os.environ.get("GATHERING_LAYER") == "pubsub":
    # What the trials compare with, and what a rollout replaces.
    CHANNEL_LAYERS["default"]["BACKEND"] = "channels_redis.pubsub.RedisPubSubChannelLayer"
    del CHANNEL_LAYERS["default"]["CONFIG"]["history"]
elif os.environ.get("GATHERING_LAYER") == "bridge":
    CHANNEL_LAYERS["default"]["CONFIG"]["bridge"] = True
