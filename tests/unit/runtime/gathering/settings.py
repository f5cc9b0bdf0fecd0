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
            "history": {"latest*": {"size": 1}, "off*": "off"},
        },
    },
}
