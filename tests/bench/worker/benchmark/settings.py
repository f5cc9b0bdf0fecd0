"""A project with one worker channel: the same for both workers but for the layer `tasks`."""

import os

from channels_stack.layers import channel_layers

SECRET_KEY = os.environ["SECRET_KEY"]
CHANNEL_LAYERS = channel_layers(os.environ["REDIS_URL"], os.environ["REDIS_PREFIX"])
if os.environ["BENCH_WORKER"] == "stock":
    # Its defaults would not last: with redis-py 8 an idle worker dies after 5 s, the 101st job is refused, and
    # what has waited for a minute is dropped.
    CHANNEL_LAYERS["tasks"] = {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {
            "hosts": CHANNEL_LAYERS["default"]["CONFIG"]["hosts"],
            "prefix": os.environ["REDIS_PREFIX"] + ":core:",
            "capacity": 1_000_000,
            "expiry": 86_400,
        },
    }
else:
    # As in production but for the lease, which is 30 s there: how long jobs of a killed worker wait.
    CHANNEL_LAYERS["tasks"]["CONFIG"].update(capacity=1_000_000, lease=3)
DEBUG = False
INSTALLED_APPS = ["channels"]
ASGI_APPLICATION = "benchmark.asgi.application"
DATABASES = {}
USE_TZ = True
