"""The past of groups in Redis: publishing with a position, reading from one, finding and checking where a group is."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import ResponseError

from ..stores import outage
from ..stores.connections import Connections
from . import scripts, wire
from .names import Names
from .policy import Policy
from .positions import Position, parse

# Groups in one call of a script: well below a millisecond of Redis.
AT_ONCE = 200
# Events in one answer.
PAGE = 200
# The position of a group that no process checks any more, so that has no members, is kept at least this long, in seconds.
POSITION_SECONDS = 3600
# How long a repeated attempt to publish is known as one, in seconds: longer than redis-py repeats.
SENT_SECONDS = 60


class Gone(Exception):
    """What follows on a position is not (all) there any more; ``head`` is where the group is now."""

    def __init__(self, head: Position | None, diverged: bool = False) -> None:
        super().__init__("the history does not reach back to this position")
        self.head = head
        self.diverged = diverged  # the group's stream has gone another way: the same epoch names two pasts


@dataclass(frozen=True)
class Page:
    """Events that follow on a position, in order, and where the group was when they were read."""

    entries: list[wire.Entry]
    head: Position

    @property
    def complete(self) -> bool:
        return not self.entries or self.entries[-1].position.offset >= self.head.offset


class History:
    """The histories of all groups below one prefix."""

    def __init__(self, connections: Connections, names: Names, policy: Policy, bridge: bool = False) -> None:
        self.connections, self.names, self.policy, self.bridge = connections, names, policy, bridge

    async def publish(self, group: str, body: bytes) -> int:
        """Publish ``body``, and keep it where the group has a history; how many connections have got it.

        A Redis that has no room left for a history still passes the event on, without a position.
        """
        identifier, channel, kept = secrets.token_hex(8), self.names.group(group), self.policy.of(group)
        other = self.names.other(group) if self.bridge else ""
        if kept.size:
            keys = [
                self.names.position(group),
                self.names.history(group),
                self.names.sent(identifier),
            ]
            lives = max(POSITION_SECONDS, kept.seconds)
            arguments = [
                identifier,
                channel,
                kept.size,
                kept.bytes,
                *_milliseconds(kept.seconds, lives, SENT_SECONDS),
                body,
                other,
            ]
            try:
                return int(await self.connections.run(scripts.PUBLISH, keys, arguments))
            except ResponseError as error:
                if not outage.is_full(error):
                    raise
        if other:
            return int(
                await self.connections.run(
                    scripts.LOOSE, [], [channel, other, wire.loose(identifier, b""), body]
                )
            )
        client = await self.connections.client()
        return int(await client.publish(channel, wire.loose(identifier, body)))

    async def find(self, groups: Sequence[str]) -> list[Position | None]:
        """Where each of ``groups`` is. A group in which nothing was published begins here."""
        found: list[Position | None] = []
        for start in range(0, len(groups), AT_ONCE):
            part = groups[start : start + AT_ONCE]
            keys = [key for group in part for key in (self.names.position(group), self.names.history(group))]
            arguments = [secrets.token_hex(8), *_milliseconds(self._lives(part))]
            answer = await self.connections.run(scripts.FIND, keys, arguments)
            found += [_position(text) for text in answer]
        return found

    async def differing(self, known: Sequence[tuple[str, Position]]) -> list[str]:
        """Those of the groups that are not where the caller thinks: ``known`` has pairs of a group and its position."""
        differing: list[str] = []
        for start in range(0, len(known), AT_ONCE):
            part = known[start : start + AT_ONCE]
            groups = [group for group, _ in part]
            keys = [self.names.position(group) for group in groups]
            arguments = [*_milliseconds(self._lives(groups)), *(str(position) for _, position in part)]
            for number in await self.connections.run(scripts.CHECK, keys, arguments):
                differing.append(groups[number - 1])
        return differing

    async def read(self, group: str, position: Position, limit: int = PAGE) -> Page:
        """Up to ``limit`` events that follow on ``position``. Raises Gone when the next one is not there, or is not
        the one that follows on this position."""
        keys = [self.names.position(group), self.names.history(group)]
        text, now, *data = await self.connections.run(
            scripts.READ, keys, [position.epoch, position.offset, limit]
        )
        head = _position(text) if text else None
        if head is None or head.epoch != position.epoch:
            raise Gone(head)
        if position.offset > head.offset or (position.offset == head.offset and position != head):
            raise Gone(head, diverged=True)
        entries = [wire.entry(each) for each in data]
        if position.offset < head.offset:
            oldest = int(now) - self.policy.of(group).seconds * 1000
            if not entries or entries[0].milliseconds < oldest:
                raise Gone(head)
            if entries[0].before != position.link:
                raise Gone(head, diverged=True)
        return Page(entries, head)

    async def latest(self, group: str) -> list[wire.Entry]:
        """The last event of ``group``; empty when the history has none."""
        (head,) = await self.find([group])
        if head is None or not head.offset:
            return []
        keys = [self.names.position(group), self.names.history(group)]
        answer = await self.connections.run(scripts.READ, keys, [head.epoch, head.offset - 1, PAGE])
        oldest = int(answer[1]) - self.policy.of(group).seconds * 1000
        return [entry for entry in map(wire.entry, answer[2:]) if entry.milliseconds >= oldest][-1:]

    async def renew(self, group: str, epoch: str) -> Position | None:
        """End ``epoch`` of ``group``, unless that has happened already; where the group is now."""
        keys = [self.names.position(group), self.names.history(group)]
        arguments = [epoch, secrets.token_hex(8), *_milliseconds(self._lives([group]))]
        return _position(await self.connections.run(scripts.RENEW, keys, arguments))

    def _lives(self, groups: Sequence[str]) -> float:
        return max(POSITION_SECONDS, *(self.policy.of(group).seconds for group in groups))


def _milliseconds(*seconds: float) -> list[int]:
    return [int(each * 1000) for each in seconds]


def _position(text: Any) -> Position | None:
    return parse(text.decode("ascii", "replace") if isinstance(text, bytes) else text)
