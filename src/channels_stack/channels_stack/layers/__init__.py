"""Channel layers: the two of the stack, and guards around those of channels_redis.

``channel_layers`` is part of the public interface.
"""

from .config import LayerError, address, channel_layers, redis_host, round_trip

__all__ = ["LayerError", "address", "channel_layers", "redis_host", "round_trip"]
