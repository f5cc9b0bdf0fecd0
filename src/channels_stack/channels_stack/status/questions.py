"""Questions to processes, asked over Redis and answered by each for itself.

What a process knows of its sockets and groups stays in that process: to keep a list of all in Redis would cost a write for
each that comes or goes. So who wants to see some asks the processes that report themselves (``publisher``). Each waits at
a list of its own, ``PREFIX:questions:SERVICE:HOST:PID``, with one connection; its answer goes to the list
``PREFIX:answers:ID`` that the question names. Both are JSON, expire after EXPIRY_SECONDS, and are read once: a process that
was killed or hangs costs who asks the deadline, and later drops what is no longer waited for.

Redis commands used: RPUSH, LTRIM, EXPIRE, BLPOP.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
import time
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Callable

import redis

from ..stores import outage, sentinels

EXPIRY_SECONDS = 10
# Questions that wait for one process; of those beyond, the oldest are dropped.
WAITING = 100
# How long one BLPOP waits: a connection whose peer has vanished is noticed soon after.
TURN_SECONDS = 20
PAUSE_SECONDS = 1
OPTIONS: dict[str, Any] = {"socket_timeout": TURN_SECONDS + 5, "socket_connect_timeout": 2}

log = logging.getLogger("channels_stack.questions")

Answer = Callable[..., Awaitable[Any]]


class Inbox:
    """Answers what the process ``address`` is asked, from ``start`` until ``stop``; ``answers`` by what is asked."""

    def __init__(self, redis_url: str, prefix: str, address: str, answers: Mapping[str, Answer]) -> None:
        self.redis_url, self.prefix, self.address, self.answers = redis_url, prefix, address, answers
        self._task: asyncio.Task[None] | None = None
        self._seldom = outage.Seldom()

    def start(self) -> None:
        self._task = asyncio.ensure_future(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        client = sentinels.async_client(self.redis_url, **OPTIONS)
        try:
            while True:
                try:
                    taken = await client.blpop([_questions(self.prefix, self.address)], TURN_SECONDS)
                    if taken:
                        await self._answer(client, json.loads(taken[1]))
                except (redis.RedisError, OSError) as error:
                    if self._seldom.due("redis"):
                        log.warning("questions cannot be taken: %r%s", error, self._seldom.held("redis"))
                    await asyncio.sleep(PAUSE_SECONDS)
                except Exception:  # one that makes no sense must not end those that do
                    log.exception("a question cannot be answered")
        finally:
            with contextlib.suppress(redis.RedisError, OSError):
                await (client.aclose() if hasattr(client, "aclose") else client.close())

    async def _answer(self, client: Any, question: Mapping[str, Any]) -> None:
        answer = self.answers.get(
            question["ask"]
        )  # of another release, it may ask what this one does not know
        reply = {"from": self.address, "said": await answer(**question["with"]) if answer else None}
        key = _answers(self.prefix, question["id"])
        async with client.pipeline(transaction=False) as pipeline:
            await pipeline.rpush(key, json.dumps(reply)).expire(key, EXPIRY_SECONDS).execute()


@dataclass(frozen=True)
class Answers:
    """The replies by address, and the addresses that did not reply in time."""

    replies: dict[str, Any]
    missing: list[str]


async def ask(
    client: Any, prefix: str, addresses: Iterable[str], question: str, seconds: float, **details: Any
) -> Answers:
    """Ask each of ``addresses``, and wait for all answers or for ``seconds``. Raises redis.RedisError."""
    missing, replies = set(addresses), dict[str, Any]()
    if not missing:
        return Answers({}, [])
    identifier = secrets.token_hex(8)
    text = json.dumps({"id": identifier, "ask": question, "with": details})
    async with client.pipeline(transaction=False) as pipeline:
        for address in missing:
            key = _questions(prefix, address)
            pipeline.rpush(key, text).ltrim(key, -WAITING, -1).expire(key, EXPIRY_SECONDS)
        await pipeline.execute()
    deadline = time.monotonic() + seconds
    while missing and (left := deadline - time.monotonic()) > 0:
        taken = await client.blpop([_answers(prefix, identifier)], max(left, 0.01))
        if taken:
            answer = json.loads(taken[1])
            missing.discard(answer["from"])
            if answer["said"] is not None:
                replies[answer["from"]] = answer["said"]
    return Answers(replies, sorted(missing))


def _questions(prefix: str, address: str) -> str:
    return f"{prefix}:questions:{address}"


def _answers(prefix: str, identifier: str) -> str:
    return f"{prefix}:answers:{identifier}"
