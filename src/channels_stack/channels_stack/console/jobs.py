"""The jobs of the project's worker channels: how many are where, and the dead letters."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable
from typing import Any, Callable

import redis
from channels.layers import get_channel_layer

from ..jobs.queue import Head, Jobs, Letter
from ..layers import config
from ..observability.metrics import Census
from .stack import answering, stack

MOST_CHANNELS = 100  # shown
# Redis is looked through for channels at most so far, and so often: it may hold much else.
LOOKS, LOOKED_AT_ONCE, LOOK_SECONDS = 50, 1000, 30.0
LONGEST = 20_000  # characters of what a job holds
# What one step does at most, of all letters of a channel.
STEP_SECONDS = 20.0

_looked: dict[str, tuple[float, set[str]]] = {}


def jobs() -> Jobs:
    """Where the project keeps its jobs. Raises Unavailable where it keeps none."""
    layer = get_channel_layer("tasks" if config.configured("tasks") else "default")
    known = getattr(layer, "jobs", None)
    if isinstance(known, Jobs):
        return known
    # Jobs of a project on another layer are next to it (``jobs.queue.of_layer``).
    here = stack()
    return Jobs(here.connections, f"{here.prefix}:tasks:")


async def channels(place: Jobs, reported: Iterable[str]) -> dict[str, Census]:
    """The worker channels that processes report, and those that have jobs in Redis, by name."""
    with answering():
        names = sorted({*reported, *await _found(place)})[:MOST_CHANNELS]
        return dict(zip(names, await asyncio.gather(*(place.census(name) for name in names))))


async def _found(place: Jobs) -> set[str]:
    looked, known = _looked.get(place.prefix, (float("-inf"), set()))
    if time.monotonic() - looked < LOOK_SECONDS:
        return known
    client, cursor, known = await place.connections.client(), 0, set()
    for kind in ("stream", "dead"):
        start = f"{place.prefix}{kind}:"
        for _ in range(LOOKS):
            cursor, keys = await client.scan(cursor, match=f"{start}*", count=LOOKED_AT_ONCE)
            known |= {key.decode()[len(start) :] for key in keys}
            if cursor == 0:
                break
    _looked[place.prefix] = time.monotonic(), known
    return known


async def heads(place: Jobs, names: Iterable[str], before: str, count: int) -> list[Head]:
    """The newest dead letters of the channels ``names``, or those before the entry ``before``."""
    try:
        with answering():
            found = await asyncio.gather(*(place.heads(name, before, count) for name in names))
    except redis.ResponseError:  # no entry looks like that
        return []
    return sorted((head for each in found for head in each), key=_age, reverse=True)[:count]


def _age(head: Head) -> tuple[int, ...]:
    return tuple(map(int, head.entry.split("-")))


async def letter(place: Jobs, channel: str, entry: str) -> Letter | None:
    """One dead letter; None when it is gone."""
    with answering():
        found = await place.letters(channel, entry)
    return found[0] if found else None


async def step(place: Jobs, action: str, channel: str, entry: str, until: str) -> int:
    """Retry or drop the dead letter ``entry`` of ``channel``, or all up to ``until``; how many that were."""
    act: Callable[[Any], Any] = {"retry": place.revive, "drop": place.drop}[action]
    deadline, count, before = time.monotonic() + STEP_SECONDS, 0, ""
    with answering():
        if entry:
            return int(await act(Head(channel, entry, 0, "", "", 0)))
        while time.monotonic() < deadline:
            page = await place.heads(channel, before, 100)
            if not page:
                break
            before = page[-1].entry
            # What has died since the question was asked was not meant.
            some = [head for head in page if _age(head) <= tuple(map(int, until.split("-")))]
            count += sum(await asyncio.gather(*(act(head) for head in some)))
    return count


def held(found: Letter) -> str:
    """What a dead letter holds, as text."""
    text = json.dumps(found.message(), indent=2, default=repr, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}\n… {len(text) - LONGEST} characters more"
