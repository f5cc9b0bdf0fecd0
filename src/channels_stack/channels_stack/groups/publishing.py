"""Publishing to a group: ready frames for its sockets, and whatever else once a transaction has committed."""

from __future__ import annotations

import functools
import json as json_module
from typing import Any

from asgiref.sync import async_to_sync

from .layer import RedisGroupsChannelLayer


class WrongLayer(Exception):
    """CHANNEL_LAYERS has another layer where this one is needed."""


def groups_layer(alias: str) -> RedisGroupsChannelLayer:
    """The layer ``alias`` of CHANNEL_LAYERS. Raises WrongLayer when it is none of this kind."""
    from channels.layers import get_channel_layer

    layer = get_channel_layer(alias)
    if not isinstance(layer, RedisGroupsChannelLayer):
        raise WrongLayer(
            f"CHANNEL_LAYERS[{alias!r}] is {type(layer).__name__ if layer else 'not configured'}: broadcasts and consumers "
            "that recover need the BACKEND channels_stack.groups.RedisGroupsChannelLayer"
        )
    return layer


async def broadcast(
    group: str,
    *,
    text: str | None = None,
    json: Any = None,
    bytes: bytes | None = None,
    alias: str = "default",
) -> None:
    """Send one ready frame to every ``RecoverableConsumer`` in ``group``: one of ``text``, ``json`` and ``bytes``.

    No handler is called, so nothing is filtered for a single socket. Other consumers in the group get nothing of it.
    """
    given = [each for each in (text, json, bytes) if each is not None]
    if len(given) != 1:
        raise TypeError(f"broadcast() takes exactly one of text, json and bytes, not {len(given)}")
    content = json_module.dumps(json) if json is not None else given[0]
    await groups_layer(alias).group_broadcast(group, content)


async def presence(group: str, alias: str = "default") -> dict[str, Any]:
    """Who is present in ``group``, in all processes: by identity, what each says of itself."""
    return await groups_layer(alias).present(group)


def publish_on_commit(
    group: str,
    message: dict[str, Any] | None = None,
    *,
    text: str | None = None,
    json: Any = None,
    bytes: bytes | None = None,
    using: str | None = None,
    alias: str = "default",
) -> None:
    """When the current transaction has committed, ``group_send`` MESSAGE or ``broadcast`` one of the others; at once where
    there is none. For synchronous code; ``using`` is the database. A rollback publishes nothing.
    """
    from django.db import transaction

    if message is not None:
        call = functools.partial(async_to_sync(groups_layer(alias).group_send), group, message)
    else:
        call = functools.partial(
            async_to_sync(broadcast), group, text=text, json=json, bytes=bytes, alias=alias
        )
    transaction.on_commit(call, using=using)
