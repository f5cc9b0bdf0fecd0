"""Mailboxes of sockets with a limit, and a count of what did not fit.

channels_redis' publish and subscribe layer keeps what a consumer has not taken yet in a queue without a limit:
one consumer that hangs takes the memory of the process, and so every socket. Its queueing layer drops the oldest
message and says nothing.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from ..observability import metrics
from ..stores import outage

# For one socket: far more than a consumer that works ever has waiting, and little compared with a container's memory.
LIMIT, LIMIT_BYTES = 10_000, 16 << 20

log = logging.getLogger("channels_stack.mailboxes")
_seldom = outage.Seldom()


class Mailbox(asyncio.Queue):  # type: ignore[type-arg]  # Python 3.9 is to run it
    """A queue that drops its oldest message when it is full, as the queueing layer does, and counts that."""

    def __init__(self, channel: str, limit: int = LIMIT, limit_bytes: int = LIMIT_BYTES) -> None:
        super().__init__()
        self.channel, self.limit, self.limit_bytes = channel, limit, limit_bytes
        self.bytes = 0

    def _put(self, item: Any) -> None:
        super()._put(item)
        self.bytes += _size(item)
        dropped = 0
        while self.qsize() > self.limit or (self.bytes > self.limit_bytes and self.qsize() > 1):
            self._get()
            dropped += 1
        if dropped:
            lost(self.channel, dropped)

    def _get(self) -> Any:
        item = super()._get()
        self.bytes -= _size(item)
        return item


class Mailboxes(dict[str, Mailbox]):
    """Makes the mailbox of a channel when it is first asked for, with room for ``limit`` messages."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def __missing__(self, channel: str) -> Mailbox:
        self[channel] = mailbox = Mailbox(channel, self.limit)
        return mailbox


def lost(channel: str, count: int) -> None:
    """Count and log messages for ``channel`` that were dropped because its consumer does not take them."""
    metrics.OVER_CAPACITY.inc(count)
    if _seldom.due(channel):
        wording = "a consumer does not keep up: messages for its channel %s are dropped%s"
        log.warning(wording, channel, _seldom.held(channel))


def _size(item: Any) -> int:
    return len(item) if isinstance(item, (bytes, str)) else 0
