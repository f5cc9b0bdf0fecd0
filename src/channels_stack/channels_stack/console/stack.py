"""What the console reads: Redis, where the processes of the stack report themselves, and the project's layers and databases.

In a project that the stack does not serve no process reports itself: REDIS_URL and REDIS_PREFIX are not set, and what stands
on them is left out.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import redis
from asgiref.sync import sync_to_async

from ..config.environment import ConfigurationError, Environment
from ..layers.config import LayerError, redis_host, round_trip
from ..status import publisher, questions, series
from ..stores.connections import Connections

ANSWER_SECONDS = 3  # for what a process is asked
HEALTH_SECONDS = 2
KEPT_SECONDS = 1.0  # many who look at the same time ask once
SERIES_SECONDS = 10.0


class Unavailable(Exception):
    """Something cannot be shown; the text says why."""


@dataclass(frozen=True)
class Health:
    """Whether something answers, and how fast."""

    name: str
    kind: str
    milliseconds: float | None
    trouble: str = ""


class Stack:
    """The stack with ``prefix`` in the Redis at ``url``."""

    def __init__(self, url: str, prefix: str) -> None:
        self.url, self.prefix = url, prefix
        self.connections = Connections(redis_host(url))
        self._series: tuple[float, list[dict[str, float]]] = (float("-inf"), [])

    async def processes(self) -> list[dict[str, Any]]:
        """What each process last reported."""
        with answering():
            return await publisher.read(await self.connections.client(), self.prefix)

    async def series(self) -> list[dict[str, float]]:
        """The last hour, in slots."""
        read, known = self._series
        if time.monotonic() - read > SERIES_SECONDS:
            with answering():
                known = await series.read(await self.connections.client(), self.prefix)
            self._series = time.monotonic(), known
        return known

    async def ask(self, addresses: Sequence[str], question: str, **details: Any) -> questions.Answers:
        """What the processes ``addresses`` answer."""
        with answering():
            client = await self.connections.client()
            return await questions.ask(client, self.prefix, addresses, question, ANSWER_SECONDS, **details)


class answering:
    """Says in one line that Redis does not."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, _: Any) -> None:
        if isinstance(error, (redis.RedisError, OSError)):
            raise Unavailable(f"Redis does not answer: {type(error).__name__}") from error


def stack() -> Stack:
    """The stack that this process belongs to. Raises Unavailable where it belongs to none."""
    env = Environment()
    try:
        url, prefix = env.secret("REDIS_URL"), env.text("REDIS_PREFIX", "channels-stack")
        env.check()
    except ConfigurationError:
        raise Unavailable(
            "No process reports itself here: REDIS_URL is not set. Those that channels-stack serves do."
        ) from None
    return _stack(url, prefix)


@functools.lru_cache(maxsize=4)
def _stack(url: str, prefix: str) -> Stack:
    return Stack(url, prefix)


def address(report: dict[str, Any]) -> str:
    """Under which the process of a report is asked."""
    return f"{report['service']}:{report['host']}:{report['pid']}"


async def healths() -> list[Health]:
    """The channel layers and databases of the project, each asked now."""
    from django.conf import settings

    layers = [_layer(alias) for alias in getattr(settings, "CHANNEL_LAYERS", None) or {}]
    databases = [_database(alias, each) for alias, each in settings.DATABASES.items() if each.get("ENGINE")]
    return list(await asyncio.gather(*layers, *databases))


async def _layer(alias: str) -> Health:
    try:
        return Health(alias, "channel layer", await round_trip(alias, HEALTH_SECONDS) * 1000)
    except LayerError as error:
        return Health(alias, "channel layer", None, str(error))


async def _database(alias: str, options: dict[str, Any]) -> Health:
    kind = f"database, {options['ENGINE'].rpartition('.')[2]}"
    begun = time.perf_counter()
    try:
        await asyncio.wait_for(sync_to_async(_select, thread_sensitive=False)(alias), HEALTH_SECONDS)
    except Exception as error:  # any driver's own
        return Health(alias, kind, None, type(error).__name__)
    return Health(alias, kind, (time.perf_counter() - begun) * 1000)


def _select(alias: str) -> None:
    """In a thread of its own: one that hangs must not hold up others."""
    from django.db import connections

    try:
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT 1")
    finally:
        connections[alias].close()
