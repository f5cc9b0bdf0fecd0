"""Members of one group in four processes, and what they are told of each other while one is killed and one cut off from Redis."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from processes import Redis, free_port

from channels_stack.groups.client import Client, Present

from .server import serve

PLACES = ("one", "two", "cut", "killed")
numbers = itertools.count(1)


class Member:
    """One client: who is here, and how often it was told that each has joined and left."""

    def __init__(self, server: str, group: str, name: str) -> None:
        self.name = name
        self.client = Client(f"{server}/here/{group}/{name}/")
        self.here: set[str] = set()
        self.told: Counter[str] = Counter()
        self.task: asyncio.Task[None] | None = None

    def come(self) -> None:
        """Connect, and stay until ``go``."""
        self.task = asyncio.ensure_future(self._follow())

    async def go(self) -> None:
        """End without a word to anybody."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait({self.task})

    async def _follow(self) -> None:
        async with contextlib.aclosing(self.client.events()) as events:
            async for event in events:
                if isinstance(event, Present):
                    self.here = set(event.entries)
                    self.told.update(f"+{each}" for each in event.joined)
                    self.told.update(f"-{each}" for each in event.left)

    def unbalanced(self) -> list[str]:
        """Of whom it was told something that does not fit to whether they are here."""
        names = self.here | {each[1:] for each in self.told}
        return [
            name for name in names if self.told[f"+{name}"] - self.told[f"-{name}"] != (name in self.here)
        ]


class Place:
    """A process that serves. On the way of the place "cut" to Redis is a network that can be cut."""

    def __init__(self, redis: Redis, folder: Path, name: str) -> None:
        self.wire, variables = None, {}
        if name == "cut":
            port = free_port()
            relay = Path(__file__).with_name("relay.py")
            self.wire = subprocess.Popen([sys.executable, str(relay), str(port), str(redis.port)])
            variables["REDIS_URL"] = f"redis://127.0.0.1:{port}/0"
        folder.mkdir()
        self.process = serve(redis, folder, **variables)
        self.url = f"ws://127.0.0.1:{self.process.port}"

    def end(self) -> None:
        self.process.kill()
        if self.wire is not None:
            self.wire.kill()


@contextlib.contextmanager
def places(redis: Redis, folder: Path) -> Iterator[dict[str, Place]]:
    """The four processes, by name."""
    with contextlib.ExitStack() as ends:
        made = {}
        for name in PLACES:
            made[name] = Place(redis, folder / name, name)
            ends.callback(made[name].end)
        yield made


class Gathering:
    """``count`` members: a sixth each in the first two places, a third each in the others."""

    def __init__(self, places: dict[str, Place], count: int) -> None:
        self.places, group = places, f"presence.{next(numbers)}"
        shares = zip(PLACES, (count // 6, count // 6, count // 3, count // 3), strict=True)
        self.of = {
            place: [Member(places[place].url, group, f"{place}-{number}") for number in range(share)]
            for place, share in shares
        }

    @property
    def all(self) -> list[Member]:
        return [each for some in self.of.values() for each in some]

    def names(self, *places: str) -> set[str]:
        return {each.name for place in places for each in self.of[place]}

    async def come(self) -> None:
        for each in self.all:
            each.come()
        await self.see(self.names(*PLACES), *PLACES)

    async def go(self) -> None:
        await asyncio.gather(*(each.go() for each in self.all))

    async def see(self, names: set[str], *places: str, seconds: float = 120) -> float:
        """Wait until everybody in ``places`` sees exactly ``names``; the seconds that it took."""
        begun = time.monotonic()
        looking = [each for place in places for each in self.of[place]]
        while wrong := [each for each in looking if each.here != names]:
            if time.monotonic() - begun > seconds:
                differ = sorted(wrong[0].here ^ names)
                raise AssertionError(f"{len(wrong)} are wrong; {wrong[0].name} about {differ[:5]}")
            await asyncio.sleep(0.1)
        return time.monotonic() - begun

    async def lose_some(self) -> tuple[float, float, float]:
        """Kill one place, then cut another off until it is missed. Seconds until all were right: killed, cut off, back."""
        self.places["killed"].process.kill()
        killed = await self.see(self.names("one", "two", "cut"), "one", "two", "cut")
        self.places["cut"].wire.send_signal(signal.SIGSTOP)
        try:
            cut = await self.see(self.names("one", "two"), "one", "two")
        finally:
            self.places["cut"].wire.send_signal(signal.SIGCONT)
        return killed, cut, await self.see(self.names("one", "two", "cut"), "one", "two", "cut")
