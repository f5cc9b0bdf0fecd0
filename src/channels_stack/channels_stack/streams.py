"""The channel layer for jobs, by the name that CHANNEL_LAYERS gives. Part of the public interface."""

from .jobs.layer import RedisStreamsChannelLayer, Unsupported

__all__ = ["RedisStreamsChannelLayer", "Unsupported"]
