"""One fault, and what it did to the sockets of the stock server and of ours, on each layer, side by side."""

from __future__ import annotations

import asyncio
import json
import os
import pathlib
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer
from crowd import Newcomer, Person
from faults import Fault, Redis
from processes import Process, answers, free_port
from redis.exceptions import RedisError
from redis_set import RedisSet

from channels_stack.groups import RedisGroupsChannelLayer
from channels_stack.layers.config import redis_host

HERE = pathlib.Path(__file__).parent
RUNTIME = HERE.parents[1] / "src/channels_stack"
GROUPS, IN_EACH = 10, 3
PUBLISHERS = {
    "core": RedisChannelLayer,
    "pubsub": RedisPubSubChannelLayer,
    "groups": RedisGroupsChannelLayer,
}
SIDES = ("stock", "ours")
AFTER_SECONDS = 30  # what the issue of a deaf socket is measured at
HEAR_SECONDS = 2
LAST_SECONDS = 10  # nobody is called deaf because the machine is busy
START_SECONDS = 120
COMMANDS = {
    "stock": ("-m", "uvicorn", "--port", "{port}", "project.asgi:application"),
    "ours": ("-m", "channels_stack", "serve", "ws", "--port", "{port}"),
}


@dataclass
class Result:
    """What became of the sockets of one server."""

    deaf: int = 0  # open, and heard nothing of a message AFTER_SECONDS after the fault
    away: int = 0  # did not manage to come back
    closed: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)  # to handshakes, since the fault began
    healed: float | None = None  # seconds after the fault until all were open and heard
    log: str = ""

    def __str__(self) -> str:
        closed = " ".join(f"{count}x{code}" for code, count in sorted(self.closed.items()))
        failed = " ".join(
            f"{count}x{status}" for status, count in sorted(self.answers.items()) if status != "101"
        )
        healed = "never" if self.healed is None else f"{self.healed:.0f} s"
        return f"{self.deaf:4d} {self.away:4d}  {healed:>5}  {closed or '-':<18} {failed or '-'}"


class Server:
    """A serving process, on one side and one layer, with its people."""

    def __init__(
        self, fault: Fault, redis: Redis | RedisSet, side: str, layer: str, folder: pathlib.Path
    ) -> None:
        self.side, self.layer, self.redis = side, layer, redis
        self.prefix = f"{redis.prefix}-{side}-{layer}"
        self.port = free_port()
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{RUNTIME}:{HERE}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "SECRET_KEY": "k7f3-only-for-tests-" * 4,
            "DATABASE_URL": "sqlite://:memory:",
            "APP_OVERLAY": "off",
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "APP_SETTINGS": "project.settings",
            "APP_ASGI": "project.asgi:application",
            "REDIS_URL": redis.url,
            "REDIS_PREFIX": self.prefix,
            "FAULT_LAYER": layer,
            "FAULT_HOST": json.dumps(redis.host),
            "FAULT_GROUP_EXPIRY": str(fault.group_expiry),
            "STATIC_ROOT": str(folder),
        }
        words = [word.format(port=self.port) for word in COMMANDS[side]]
        self.process = Process([sys.executable, *words], environment, folder)
        url = f"ws://127.0.0.1:{self.port}/group-{{}}/"
        prefix = f"{self.prefix}." if layer == "groups" else self.prefix
        host = {**redis_host(redis.url), "socket_timeout": LAST_SECONDS}
        self.publisher = PUBLISHERS[layer](hosts=[host], prefix=prefix)
        self.people = [Person(url.format(number % GROUPS)) for number in range(GROUPS * IN_EACH)]
        self.newcomer = Newcomer(url.format("new"))
        self.result = Result()

    async def publish(self, text: str) -> None:
        """From another process, with fresh connections."""
        try:
            for number in range(GROUPS):
                await self.publisher.group_send(f"group-{number}", {"type": "say", "text": text})
        finally:
            # flush() of the others would remove what is in Redis too.
            await (self.publisher.flush() if self.layer == "pubsub" else self.publisher.close_pools())

    def open(self) -> list[Person]:
        return [person for person in self.people if person.client]

    def deaf(self, text: str) -> list[Person]:
        return [person for person in self.open() if person.heard != text]

    async def all_hear(self, text: str, seconds: float = HEAR_SECONDS) -> bool:
        """Publish ``text``; whether everybody is there and has heard it within ``seconds``."""
        try:
            await self.publish(text)
        except RedisError:
            return False  # it is asked again
        return await _until(lambda: len(self.open()) == len(self.people) and not self.deaf(text), seconds)


async def run(fault: Fault) -> dict[tuple[str, str], Result]:
    """Do it; the results by side and layer."""
    with tempfile.TemporaryDirectory() as data, tempfile.TemporaryDirectory() as folder:
        redis = RedisSet() if fault.sentinel else Redis(data if fault.keeps_data else "")
        await asyncio.to_thread(redis.start)
        servers = [
            Server(fault, redis, side, layer, pathlib.Path(folder))
            for side in SIDES
            for layer in fault.layers
        ]
        tasks: list[asyncio.Task[None]] = []
        try:
            for server in servers:
                listens = await _until(lambda server=server: answers(server.port), START_SECONDS)
                assert listens, f"{server.side} {server.layer} does not listen:\n{server.process.output()}"
            tasks += [asyncio.ensure_future(person.live()) for server in servers for person in server.people]
            await asyncio.gather(*(_settled(server) for server in servers))
            for server in servers:
                for person in server.people:
                    person.answers.clear()
                tasks.append(asyncio.ensure_future(server.newcomer.live()))
            await fault.inject(redis)
            await asyncio.gather(*(_watch(server) for server in servers))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for server in servers:
                server.process.kill()
                server.result.log = server.process.output()
            redis.stop()
        return {(server.side, server.layer): server.result for server in servers}


async def _settled(server: Server) -> None:
    for attempt in range(20):
        if await server.all_hear(f"before {attempt}"):
            return
    raise AssertionError(f"{server.side} {server.layer}: not all hear, without any fault")


async def _watch(server: Server) -> None:
    over, result = time.monotonic(), server.result
    for person in server.people[:GROUPS]:
        await person.say("a word from each group")
    number = 0
    while time.monotonic() - over < AFTER_SECONDS:
        number += 1
        if not await server.all_hear(f"after {number}"):
            result.healed = None
        elif result.healed is None:
            result.healed = time.monotonic() - over
        await asyncio.sleep(1)
    heard = await server.all_hear("the last word", LAST_SECONDS)
    if heard and result.healed is None:
        result.healed = time.monotonic() - over
    result.deaf = len(server.deaf("the last word"))
    result.away = len(server.people) - len(server.open())
    for one in server.people:
        result.closed += one.closed
        result.answers += one.answers
    result.answers += server.newcomer.answers


async def _until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.02)
    return True
