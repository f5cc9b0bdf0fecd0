"""Groups that lose nothing: a channel layer for Django Channels on Redis, and consumers whose clients recover.

``CHANNEL_LAYERS = {"default": {"BACKEND": "channels_stack.groups.RedisGroupsChannelLayer", "CONFIG": {"hosts": [URL]}}}``
"""

from .consumers import RecoverableConsumer
from .layer import RedisGroupsChannelLayer
from .publishing import broadcast, presence, publish_on_commit

__all__ = ["RecoverableConsumer", "RedisGroupsChannelLayer", "broadcast", "presence", "publish_on_commit"]
