"""``group_send`` to the members of one process: the groups layer beside channels_redis' publish and subscribe, in turn.

No sockets: what is measured is the way of an event from Redis to the consumer's handler. ``receive`` are bare receivers;
``consumer`` are Channels' consumers as they are, dispatch included; ``no hop`` are the same without the thread hop that
Channels makes for each message where no database connection is open (``patches.channels_hop``).

``broadcast`` are ready frames for ``RecoverableConsumer``, compared with stock consumers and ``group_send``.

    make bench-groups [T="members events rounds kind..."]
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time

import django
from django.conf import settings
from processes import Redis

settings.configure(SECRET_KEY="bench", DATABASES={}, CHANNEL_LAYERS={})
django.setup()

import channels.consumer  # noqa: E402
from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels.layers import channel_layers  # noqa: E402
from channels_redis.pubsub import RedisPubSubChannelLayer  # noqa: E402

from channels_stack.groups import RecoverableConsumer, RedisGroupsChannelLayer  # noqa: E402
from channels_stack.patches import channels_hop  # noqa: E402

IN_FLIGHT = 4
KINDS = ("receive", "consumer", "no hop", "broadcast")
EVENT = {"type": "say", "text": "x" * 128}
STOCK_HOP = channels.consumer.aclose_old_connections


class Count:
    """How many deliveries there were; ``reached`` waits for a number of them."""

    def __init__(self) -> None:
        self.value, self.wanted, self.future = 0, -1, None

    def one(self) -> None:
        self.value += 1
        if self.value >= self.wanted and self.future and not self.future.done():
            self.future.set_result(None)

    async def reached(self, wanted: int) -> None:
        self.wanted, self.future = wanted, asyncio.get_running_loop().create_future()
        if self.value < wanted:
            await self.future


class Ready(RecoverableConsumer, AsyncWebsocketConsumer):
    async def connect(self):
        await self.accept()
        await self.subscribe("room")
        await self.send("ready")


class Room(AsyncWebsocketConsumer):
    groups = ["room"]
    count: Count

    async def say(self, event):
        await self.send(event["text"])


async def receiver(layer, count: Count) -> None:
    channel = await layer.new_channel()
    await layer.group_add("room", channel)
    count.one()
    while True:
        await layer.receive(channel)
        count.one()


async def consumer(layer, count: Count, kind: type = Room) -> None:
    messages = asyncio.Queue()
    messages.put_nowait({"type": "websocket.connect"})

    async def send(message) -> None:
        count.one()

    await kind.as_asgi()({"type": "websocket", "path": "/"}, messages.get, send)


async def measure(layer, kind: str, members: int, events: int) -> tuple[float, float]:
    """Deliveries per second, and microseconds of CPU for each."""
    channel_layers.set("default", layer)
    count = Count()
    ready = kind == "broadcast" and isinstance(layer, RedisGroupsChannelLayer)

    def member():
        return (
            receiver(layer, count) if kind == "receive" else consumer(layer, count, Ready if ready else Room)
        )

    tasks = [asyncio.ensure_future(member()) for _ in range(members)]
    await count.reached(members * (2 if ready else 1))  # accepted, and a word that it has joined
    count.value = 0
    start, cpu = time.perf_counter(), time.process_time()
    for number in range(events):
        await (layer.group_broadcast("room", EVENT["text"]) if ready else layer.group_send("room", EVENT))
        if number >= IN_FLIGHT:
            await count.reached(members * (number - IN_FLIGHT + 1))
    await count.reached(members * events)
    seconds, used = time.perf_counter() - start, time.process_time() - cpu
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await layer.flush()
    return members * events / seconds, used / (members * events) * 1e6


def layers(redis: Redis) -> dict:
    return {
        "stock": RedisPubSubChannelLayer(hosts=[redis.url], prefix="stock"),
        "groups": RedisGroupsChannelLayer(hosts=[redis.url], prefix="groups"),
        "groups, no history": RedisGroupsChannelLayer(hosts=[redis.url], prefix="loose", history="off"),
    }


def main(members: int = 1000, events: int = 40, rounds: int = 5, *kinds: str) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {0})
    print(
        f"{members} members, {events} events, {rounds} rounds; medians; ratio to stock of the same round (range)"
    )
    with Redis() as redis:
        for kind in kinds or KINDS:
            channels.consumer.aclose_old_connections = STOCK_HOP
            if kind == "no hop":
                channels_hop.apply()
            found: dict[str, list[tuple[float, float]]] = {}
            for _ in range(rounds):
                for name, layer in layers(redis).items():
                    found.setdefault(name, []).append(asyncio.run(measure(layer, kind, members, events)))
            for name, results in found.items():
                rates, cpus = zip(*results, strict=True)
                ratios = [rate / stock for (rate, _), (stock, _) in zip(results, found["stock"], strict=True)]
                print(
                    f"{kind:9} {name:19} {statistics.median(rates):9.0f}/s {statistics.median(cpus):7.1f} us"
                    f"   x {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})",
                    flush=True,
                )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]), *sys.argv[4:])
