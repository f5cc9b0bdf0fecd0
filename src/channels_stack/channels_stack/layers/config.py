"""The two channel layers of the stack, and a round trip that proves one of them works.

``default`` is for groups (websockets), ``tasks`` for worker channels. One layer cannot do both: what hands an event
to every process loses none for clients that reconnect, but does a job as often as there are workers; what keeps a job until
it is done has no groups. channels_redis' layers do neither well: an event that is published while a connection is
broken is lost; and on the queueing one each costs about 17 Redis commands, a socket's groups are forgotten after
``group_expiry``, and jobs are lost with the worker that has read them ahead.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from redis import backoff as redis_backoff
from redis.asyncio.retry import Retry
from redis.exceptions import ConnectionError, TimeoutError

from ..config import printed
from ..config.importing import place
from ..stores import sentinels

# redis-py 8 gives up reading after 5 s, exactly as long as channels_redis blocks in BZPOPMIN, so every idle
# receiver dies. 15 s leaves room, and a connection whose peer has vanished is still noticed.
SOCKET_TIMEOUT_SECONDS = 15
# A Redis on the same network answers within milliseconds; 3 s is one lost SYN and its repetition.
CONNECT_TIMEOUT_SECONDS = 3
# redis-py 8 allows 100, and every concurrent command takes one: a wave of reconnecting sockets, each joining
# a group, would meet MaxConnectionsError. 1000 is a tenth of what Redis accepts by default (maxclients
# 10000).
MAX_CONNECTIONS = 1000
# A pooled connection that was idle this long is tried with PING before it is used again.
HEALTH_CHECK_SECONDS = 30
# channels_redis makes its own connection pool, to which redis-py's default of three retries does not apply:
# without one of ours a Redis restart ends every consumer. 5 retries last 1.3 s on average, 2.5 s at most,
# per step of a command (connect, send, read), which together covers a restart. Behind Sentinel each attempt
# asks again where to go.
RETRIES, RETRY_BASE_SECONDS, RETRY_CAP_SECONDS = 5, 0.05, 1

# How many jobs of one channel may wait, run or stand before another attempt before send() raises ChannelFull.
# Channels' default of 100 is meant for the mailbox of a socket; 10,000 jobs of 1 KB are 10 MB of Redis, and an
# hour's work at three a second. They wait as long as they must: nothing is dropped for its age.
JOB_CAPACITY = 10_000


class LayerError(Exception):
    """A channel layer did not do what was asked; the text says which one and why."""


def channel_layers(redis_url: str, prefix: str) -> dict[str, Any]:
    """The value of CHANNEL_LAYERS: ``default`` for groups and ``tasks`` for worker channels.

    ``redis_url`` is anything redis-py reads (redis://, rediss://, unix://), or an address of Sentinels
    (``sentinels``). ``prefix`` starts every key and
    channel: publish and subscribe ignores the number of the Redis database, only the prefix keeps two stacks
    apart.
    """
    # One host, never more: with several, RedisChannelLayer sends and receives by different hashes and loses
    # half.
    hosts = [redis_host(redis_url)]
    return {
        "default": {
            "BACKEND": "channels_stack.groups.RedisGroupsChannelLayer",
            # Until the release before, this layer was channels_redis' publish and subscribe: while one replaces the other,
            # or is rolled back to, the processes of both hear each other.
            "CONFIG": {"hosts": hosts, "prefix": f"{prefix}.", "bridge": True},
        },
        "tasks": {
            "BACKEND": "channels_stack.streams.RedisStreamsChannelLayer",
            "CONFIG": {"hosts": hosts, "prefix": f"{prefix}:tasks:", "capacity": JOB_CAPACITY},
        },
    }


def redis_host(redis_url: str) -> dict[str, Any]:
    """What channels_redis hands to redis-py's connection pool, in keys that redis-py 4.6 to 8.1 know.

    channels_redis 4.0 takes the address and ignores the rest: with it a Redis restart ends consumers.
    """
    options: dict[str, Any] = {
        **address(redis_url),
        "socket_timeout": SOCKET_TIMEOUT_SECONDS,
        "socket_connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "max_connections": MAX_CONNECTIONS,
        "health_check_interval": HEALTH_CHECK_SECONDS,
        "retry": Retry(_backoff(), RETRIES),
        # redis-py 4.6 retries a command, other than a connect, only for errors that are named.
        "retry_on_error": [ConnectionError, TimeoutError],
    }
    if not redis_url.startswith("unix://"):  # redis-py's unix connection does not know this key
        options["socket_keepalive"] = True
    return options


def address(redis_url: str) -> dict[str, Any]:
    """The part of a host that says where: channels_redis and ``Connections`` take either kind."""
    if sentinels.is_behind(redis_url):
        return sentinels.Sentinels(redis_url).options(sentinels.AsyncConnection)
    return {"address": redis_url, **sentinels.checked(redis_url)}


def _backoff() -> Any:
    # Jitter keeps a hundred processes from coming back to a restarted Redis in the same instant. redis-py
    # 4.6 does not have the newer class; its FullJitterBackoff computes the same.
    kind = getattr(redis_backoff, "ExponentialWithJitterBackoff", None) or redis_backoff.FullJitterBackoff
    return kind(base=RETRY_BASE_SECONDS, cap=RETRY_CAP_SECONDS)


def named(alias: str) -> Any:
    """The channel layer ALIAS. Raises LayerError with the reason, where Channels' own ``get_channel_layer`` returns None."""
    from channels.layers import channel_layers as made

    try:
        return made[alias]
    except KeyError as error:
        if alias not in made.configs:
            raise LayerError(f"channel layer {alias!r} is not configured: add it to CHANNEL_LAYERS") from None
        # Channels takes each KeyError for a layer that is not configured, one of the layer's own as well.
        raise LayerError(unmade(alias, error)) from error


def unmade(alias: str, error: Exception) -> str:
    """What to say of the layer ALIAS, whose class raised ERROR when it was made."""
    return f"channel layer {alias!r} in CHANNEL_LAYERS cannot be made: {place(error)}{_reported(alias, error)}{_hint(error)}"


def _reported(alias: str, error: BaseException) -> str:
    """What ERROR says, which code of a stranger may have raised, without what CONFIG holds."""
    from channels.layers import channel_layers as made

    layer = made.configs.get(alias)
    config = layer.get("CONFIG") if isinstance(layer, Mapping) else None
    return printed.cleared(f"{type(error).__name__}: {error}", config)


def _hint(error: BaseException) -> str:
    if not isinstance(error, KeyError):
        return ""
    raised = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    if raised and raised[-1].f_globals.get("__name__") == "os":
        return "; is it a variable that belongs in app.env?"
    return "; does CONFIG lack it?"


async def round_trip(alias: str = "default", timeout: float = 2.0, within: float = 0.0) -> float:
    """Send a message to ourselves through the layer ``alias``; the seconds until it arrived.

    A layer that watches itself may have made a round trip ``within`` so many seconds: then there is no other.
    Raises LayerError when the layer is not configured, fails, or takes longer than ``timeout`` seconds.
    """
    canary = _canary(alias)
    try:
        return await asyncio.wait_for(canary.fly(within), timeout)
    except asyncio.TimeoutError:
        raise LayerError(f"channel layer {alias!r}: no answer within {timeout:g} s") from None
    except LayerError:
        raise
    except Exception as error:
        raise LayerError(f"channel layer {alias!r}: {_reported(alias, error)}") from error


class _Canary:
    """A private channel that is kept: the publish and subscribe layer never forgets a channel it made."""

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self.channel = ""
        # Two flights at once would catch each other's message.
        self.lock = asyncio.Lock()

    async def fly(self, within: float) -> float:
        layer = named(self.alias)
        if within and hasattr(layer, "measured") and (seconds := layer.measured(within)) is not None:
            return float(seconds)
        if hasattr(layer, "round_trip"):
            return float(await layer.round_trip())
        async with self.lock:
            start = time.perf_counter()
            try:
                if not self.channel:
                    self.channel = await layer.new_channel()
                ours = f"{start}"
                await layer.send(self.channel, {"type": "canary", "flight": ours})
                # One that was late for an earlier flight may still arrive.
                while (await layer.receive(self.channel)).get("flight") != ours:
                    pass
            except BaseException:
                # A receive that was cancelled has unsubscribed the channel: the next flight takes a new one.
                self.channel = ""
                raise
            return time.perf_counter() - start


_canaries: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, _Canary]] = WeakKeyDictionary()


def _canary(alias: str) -> _Canary:
    per_loop = _canaries.setdefault(asyncio.get_running_loop(), {})
    return per_loop.setdefault(alias, _Canary(alias))


def configured(alias: str) -> bool:
    """Whether CHANNEL_LAYERS has a layer of this name."""
    from django.conf import settings

    return alias in getattr(settings, "CHANNEL_LAYERS", {})
