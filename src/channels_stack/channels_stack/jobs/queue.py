"""Jobs of worker channels, kept in Redis Streams until they are done.

A job that was taken stays in Redis, leased to the process that took it; the lease is renewed while the job
is worked on. When its process dies, the lease runs out and another process takes the job: it is then marked
as redelivered, since it is unknown how far the first one came. A failed job waits for its next attempt in
Redis too, and one that has used up its retries becomes a dead letter.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgpack
from redis.exceptions import ResponseError

from ..config.settings import Settings
from ..layers.config import redis_host
from ..observability import tracing
from ..observability.metrics import Census
from ..stores.connections import Connections
from ..stores.script import Script
from . import scripts

GROUP = "workers"
# How long a taken job belongs to a process that does not renew its lease. It must outlast a restart of Redis
# and a machine that hangs for some seconds, or two processes do the same job; after a crash jobs wait as long.
LEASE_SECONDS = 30
# How long ago a lease was renewed, only the clock of Redis knows, and a clock may be set, or jump when a machine was
# suspended. So a lease has run out when it was not renewed for this part of it by the clock of Redis, and then for
# the rest by the clock of who wants the job: its owner, who renews it each quarter, would have been heard of.
STALE_PART = 2 / 3
# How long a take waits for a job, and how often expired leases and due retries are looked for.
TURN_SECONDS = 1
# Dead letters of a channel beyond this push out the oldest.
DEAD_CAPACITY = 10_000
# A consumer of the group that was not seen for so long, and holds nothing, has no process any more.
FORGET_SECONDS = 3600


class Unreadable(Exception):
    """A message that no consumer could take; the text says why."""


@dataclass
class Job:
    """A message that was taken from a channel and has not been settled yet."""

    channel: str
    entry: str  # its identifier in the stream
    body: bytes  # the message, packed
    attempts: int = 0  # how often it has failed
    deliveries: int = 1  # how often this attempt was taken by a process; more than 1: others have died of it?
    first: str = ""  # the identifier that it had when it was sent: the same in each attempt
    taken_from: str = ""  # the consumer that held it before
    begun: bool = False
    lost: bool = False  # another process holds it now
    taken: float = field(default_factory=time.monotonic)
    leased: float = field(default_factory=time.monotonic)  # when its lease began, or began again

    @property
    def redelivered(self) -> bool:
        return self.deliveries > 1

    @property
    def sent(self) -> float:
        """Unix seconds, by the clock of Redis."""
        return int(self.first.partition("-")[0]) / 1000

    def message(self) -> dict[str, Any]:
        """What was sent. Raises Unreadable when it is nothing that a consumer takes."""
        try:
            message = msgpack.unpackb(self.body)
        except Exception as error:
            raise Unreadable(f"cannot be decoded: {type(error).__name__}: {error}") from error
        if not isinstance(message, dict):
            raise Unreadable(f"is no message but a {type(message).__name__}")
        if not isinstance(message.get("type"), str):
            keys = ", ".join(map(str, message)) or "none"
            raise Unreadable(f"the message has no type; its keys are: {keys}")
        trace = tracing.unmarked(message)
        return tracing.Traced(message, trace) if trace else message


@dataclass(frozen=True)
class Letter:
    """A dead letter."""

    channel: str
    entry: str
    body: bytes
    reason: str
    attempts: int
    first: str
    traceback: str

    @property
    def died(self) -> float:
        return int(self.entry.partition("-")[0]) / 1000

    def message(self) -> Any:
        """What was sent, or its bytes when they cannot be decoded."""
        try:
            message = msgpack.unpackb(self.body)
        except Exception:
            return self.body
        if isinstance(message, dict):
            tracing.unmarked(message)
        return message


@dataclass(frozen=True)
class Head:
    """Description of a dead letter without its content."""

    channel: str
    entry: str
    size: int  # of the message, in bytes
    kind: str  # its type, if it has one
    reason: str
    attempts: int

    @property
    def died(self) -> float:
        return int(self.entry.partition("-")[0]) / 1000

    @property
    def error(self) -> str:
        """The name of the exception alone: its text may be private."""
        name, colon, _ = self.reason.partition(":")
        return name if colon and name.isidentifier() else "not taken"


class Jobs:
    """The jobs of every channel below ``prefix``."""

    def __init__(self, connections: Connections, prefix: str, lease: float = LEASE_SECONDS) -> None:
        self.connections, self.prefix, self.lease = connections, prefix, lease
        self.looked: dict[str, float] = {}  # by channel, when what others hold was last looked at
        self.suspects: dict[
            str, dict[bytes, float]
        ] = {}  # by channel, what was not renewed, and since when we know
        self._consumer = (0, "")

    @property
    def consumer(self) -> str:
        """The name of this process in the group: a fork is another consumer."""
        if self._consumer[0] != os.getpid():
            self._consumer = os.getpid(), f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        return self._consumer[1]

    async def add(self, channel: str, message: Any, capacity: int) -> str | None:
        """Put ``message`` into ``channel``; its identifier, or None when ``capacity`` jobs wait there already.

        Raises what msgpack raises for a type that it does not know.
        """
        body = msgpack.packb(message)
        entry = await self._run(scripts.SEND, channel, ("stream", "later"), capacity, body)
        return None if entry is None else entry.decode()

    async def take(self, channel: str, count: int) -> list[Job]:
        """Up to ``count`` jobs, leased to this process; none after a second without any."""
        now = time.monotonic()
        look = now - self.looked.get(channel, -TURN_SECONDS) >= TURN_SECONDS
        if look:
            self.looked[channel] = now
        known = self.suspects.get(channel, {})
        watched = self.lease * (1 - STALE_PART)
        sure = [suspect for suspect, since in known.items() if now - since >= watched]
        stale = int(self.lease * STALE_PART * 1000)
        arguments = (self.consumer, count, scripts.RELEASED, int(look), stale, *sure)
        taken, suspects = await self._in_group(channel, scripts.TAKE, ("stream", "later"), *arguments)
        if look:
            self.suspects[channel] = {suspect: known.get(suspect, now) for suspect in suspects}
        if taken:
            return [_job(channel, *entry) for entry in taken]
        return await self._wait(channel, count)

    async def done(self, channel: str, entries: Sequence[str]) -> set[str]:
        """Forget the jobs ``entries``, which are done; those that are not ours (any more), and so stay."""
        lost = await self._in_group(channel, scripts.DONE, ("stream",), self.consumer, *entries)
        return {entry.decode() for entry in lost}

    async def retry(self, job: Job, seconds: float) -> bool:
        """Schedule ``job``, which has failed, again in ``seconds``; False: it is not ours (any more)."""
        member = b"%s %d %s" % (job.first.encode(), job.attempts + 1, job.body)
        arguments = (self.consumer, job.entry, int(seconds * 1000), member)
        return bool(await self._in_group(job.channel, scripts.RETRY, ("stream", "later"), *arguments))

    async def bury(self, job: Job, reason: str, traceback: str = "") -> bool:
        """Make ``job`` a dead letter; False: it is not ours (any more)."""
        fields = {"m": job.body, "r": reason, "a": job.attempts + 1, "i": job.first, "t": traceback}
        flat = [part for pair in fields.items() for part in pair]
        arguments = (self.consumer, job.entry, DEAD_CAPACITY, *flat)
        return bool(await self._in_group(job.channel, scripts.BURY, ("stream", "dead"), *arguments))

    async def renew(self, channel: str, jobs: Iterable[Job]) -> None:
        """Renew the leases of ``jobs``; those that are not ours any more are marked lost."""
        held = {job.entry: job for job in jobs}
        if not held:
            return
        now = time.monotonic()
        lost = await self._in_group(channel, scripts.RENEW, ("stream",), self.consumer, *held)
        for job in held.values():
            job.leased = now
        for entry in lost:
            held[entry.decode()].lost = True

    async def release(self, channel: str, jobs: Sequence[Job]) -> None:
        """Give ``jobs`` back: the next process that looks takes them, before anything newer."""
        for begun in (False, True):
            entries = [job.entry for job in jobs if job.begun is begun]
            if entries:
                arguments = (self.consumer, scripts.RELEASED, int(begun), *entries)
                await self._in_group(channel, scripts.RELEASE, ("stream",), *arguments)

    async def forget(self, channel: str, leaving: bool = False) -> None:
        """Take consumers off the group that have no process any more; when ``leaving``, this one too."""
        name = self.consumer if leaving else ""
        await self._run(scripts.FORGET, channel, ("stream",), GROUP, name, FORGET_SECONDS * 1000)

    async def census(self, channel: str) -> Census:
        """How many jobs of ``channel`` are where."""
        keys = ("stream", "later", "dead")
        answer = await self._run(scripts.CENSUS, channel, keys, GROUP, int(self.lease * 1000))
        waiting, running, later, dead, age = answer
        return Census(waiting, running, later, dead, max(0, age) / 1000)

    async def buried_channels(self) -> list[str]:
        """The channels that have dead letters."""
        client = await self.connections.client()
        start = f"{self.prefix}dead:"
        keys = {key.decode() async for key in client.scan_iter(match=f"{start}*", count=1000)}
        found = [key[len(start) :] for key in sorted(keys)]
        return [channel for channel in found if await client.xlen(start + channel)]

    async def letters(self, channel: str, entry: str = "") -> list[Letter]:
        """The dead letters of ``channel``, oldest first; with ``entry``, that one if it is there."""
        client = await self.connections.client()
        found = await client.xrange(self.key("dead", channel), entry or "-", entry or "+")
        return [_letter(channel, identifier, fields) for identifier, fields in found]

    async def heads(self, channel: str, before: str, count: int) -> list[Head]:
        """The newest dead letters of ``channel``, or those before the entry ``before``, without what they hold."""
        found = await self._run(scripts.HEADS, channel, ("dead",), f"({before}" if before else "+", count)
        return [
            Head(channel, entry.decode(), size, _kind(start), reason.decode("utf-8", "replace"), attempts)
            for entry, size, start, reason, attempts in found
        ]

    async def revive(self, letter: Letter | Head) -> bool:
        """Put a dead letter back into its channel as if it were new; False: it is gone."""
        return bool(await self._run(scripts.REVIVE, letter.channel, ("dead", "stream"), letter.entry))

    async def drop(self, letter: Letter | Head) -> bool:
        """Remove a dead letter; False: it is gone."""
        client = await self.connections.client()
        return bool(await client.xdel(self.key("dead", letter.channel), letter.entry))

    async def flush(self) -> None:
        """Remove everything, of every channel."""
        client = await self.connections.client()
        keys = [key async for key in client.scan_iter(match=f"{self.prefix}*", count=1000)]
        if keys:
            await client.delete(*keys)

    def key(self, kind: str, channel: str) -> str:
        """The key of ``kind`` stream, later or dead. No channel name has a colon."""
        return f"{self.prefix}{kind}:{channel}"

    async def _wait(self, channel: str, count: int) -> list[Job]:
        key, block = self.key("stream", channel), int(TURN_SECONDS * 1000)
        client = await self.connections.client()
        try:
            answer = await client.xreadgroup(GROUP, self.consumer, {key: ">"}, count=count, block=block)
        except ResponseError as error:
            # The stream was removed while we waited for it.
            if not str(error).startswith(("NOGROUP", "UNBLOCKED")):
                raise
            return []
        return [_job(channel, entry, fields) for entry, fields in _entries(answer)]

    async def _in_group(self, channel: str, script: Script, kinds: Sequence[str], *rest: Any) -> Any:
        """Run a script that needs the group, which a new or emptied Redis does not have."""
        try:
            return await self._run(script, channel, kinds, GROUP, *rest)
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
        client = await self.connections.client()
        try:
            await client.xgroup_create(self.key("stream", channel), GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        return await self._run(script, channel, kinds, GROUP, *rest)

    async def _run(self, script: Script, channel: str, kinds: Sequence[str], *arguments: Any) -> Any:
        keys = [self.key(kind, channel) for kind in kinds]
        return await self.connections.run(script, keys, list(arguments))


def _job(channel: str, entry: bytes, fields: Any, deliveries: int = 1, taken_from: bytes = b"") -> Job:
    if not isinstance(fields, dict):
        fields = dict(zip(fields[::2], fields[1::2]))
    return Job(
        channel=channel,
        entry=entry.decode(),
        body=fields.get(b"m", b""),
        attempts=int(fields.get(b"a", 0)),
        deliveries=deliveries,
        first=fields.get(b"i", entry).decode(),
        taken_from=taken_from.decode(),
    )


def _letter(channel: str, entry: bytes, fields: dict[bytes, bytes]) -> Letter:
    return Letter(
        channel=channel,
        entry=entry.decode(),
        body=fields[b"m"],
        reason=fields[b"r"].decode("utf-8", "replace"),
        attempts=int(fields[b"a"]),
        first=fields[b"i"].decode(),
        traceback=fields[b"t"].decode("utf-8", "replace"),
    )


def _kind(start: bytes) -> str:
    """The type of a message that begins with ``start``; empty where it is further behind, or none."""
    unpacker = msgpack.Unpacker()
    unpacker.feed(start)
    try:
        for _ in range(unpacker.read_map_header()):
            name, value = unpacker.unpack(), unpacker.unpack()
            if name == "type":
                return value if isinstance(value, str) else ""
    except Exception:  # no message, or a long one that is cut off here
        pass
    return ""


def _entries(answer: Any) -> list[Any]:
    """The entries of the one stream in an answer to XREADGROUP, whose shape redis-py has changed twice."""
    if not answer:
        return []
    if not isinstance(answer, dict):
        return list(answer[0][1])
    (entries,) = answer.values()
    return list(entries[0] if entries and isinstance(entries[0], list) else entries)


async def backlog(alias: str, channel: str) -> int | None:
    """How many messages wait in ``channel``; None when the layer does not know."""
    from channels.layers import get_channel_layer

    layer = get_channel_layer(alias)
    if isinstance(getattr(layer, "jobs", None), Jobs):
        census = await layer.jobs.census(channel)
        return int(census.waiting + census.later)
    # The queueing layer keeps one sorted set per channel. It has no call for its length.
    if not (hasattr(layer, "connection") and hasattr(layer, "ring_size")):
        return None
    return int(await layer.connection(0).zcard(layer.prefix + channel))


def of_layer(settings: Settings, layer: Any) -> Jobs:
    """Where the worker keeps its jobs: in ``layer`` if it is one for jobs, else next to it, in REDIS_URL."""
    known = getattr(layer, "jobs", None)
    if isinstance(known, Jobs):
        return known
    return Jobs(Connections(redis_host(settings.redis_url)), f"{settings.redis_prefix}:tasks:")
