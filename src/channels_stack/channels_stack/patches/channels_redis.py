"""channels_redis' queueing layer, which can be left between two pops.

A receive that is cancelled can lose a message or change the order of messages: Redis may have popped one already while the
answer is still on its way. The layer pops with a time limit, again and again, until something comes. Between two pops there is
nothing in hand.
"""

from __future__ import annotations

from typing import Any, Callable

from .patch import Patch

PATCH = Patch(
    package="channels_redis",
    versions="4.0 to 4.3",
    why="a receive cannot be ended without being cancelled, and one that is cancelled can lose a message",
    without="a stopping worker cancels its receive, which can lose a message of the layer's",
    upstream="https://github.com/django/channels_redis/issues/151",
)


def _is_queueing(layer: Any) -> bool:
    try:
        from channels_redis.core import RedisChannelLayer
    except ImportError:
        return False
    return isinstance(layer, RedisChannelLayer)


def step(
    layer: Any, channel: str, seconds: float, before: Callable[[], None], after: Callable[[], None]
) -> bool:
    """Let ``layer``, receiving from ``channel``, call ``before`` and ``after`` each pop of at most ``seconds``; whether it does.

    What ``before`` raises ends the receive. Other channels of the layer are left alone. False for a layer of another kind.
    """
    if not _is_queueing(layer):
        return False
    our_key = layer.prefix + channel

    def make(pop: Any) -> Any:
        async def popping(index: int, key: str, timeout: float) -> Any:
            if key != our_key:  # another channel, or a consumer's own mailbox on the same layer
                return await pop(index, key, timeout)
            before()
            member = await pop(index, key, seconds)
            after()
            return member

        return popping

    return PATCH.replace(layer, "_brpop_with_clean", make, arguments=3, once=False)
