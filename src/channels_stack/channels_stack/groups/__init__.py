"""Groups that lose nothing: a channel layer for Django Channels on Redis, and consumers whose clients recover.

``CHANNEL_LAYERS = {"default": {"BACKEND": "channels_stack.groups.RedisGroupsChannelLayer", "CONFIG": {"hosts": [URL]}}}``
"""

from .layer import RedisGroupsChannelLayer

__all__ = ["RedisGroupsChannelLayer"]
