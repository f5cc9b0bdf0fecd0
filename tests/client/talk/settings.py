"""A Channels project as its documentation writes it, with the groups layer."""

SECRET_KEY = "only-for-tests"
ALLOWED_HOSTS = ["*"]
DATABASES = {}
ROOT_URLCONF = "talk.urls"
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_stack.groups.RedisGroupsChannelLayer",
        "CONFIG": {"hosts": ["redis://127.0.0.1:6379/0"], "history": {"*": {"size": 10_000, "seconds": 600}}},
    },
}
