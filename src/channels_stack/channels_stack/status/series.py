"""The last hour of the whole stack in Redis: one small hash for each SLOT_SECONDS, however many processes there are.

Each process adds what it has seen in a slot when that slot has ended, by its own clock: sums of what adds up, the largest of
what does not. A hash expires an hour later: there are never more than SLOTS of them and a few, some 200 bytes each.

Redis commands used: EVAL (with HGET, HSET, EXPIRE), HGETALL.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

SLOT_SECONDS = 30
SLOTS = 120

# What a report counts since its process began; a slot has by how much that has grown.
GROWING = ("messages_in", "messages_out", "requests", "accepted", "done", "failed")
# What is added up over the processes as it is, and what only its largest says something about.
STANDING, LARGEST = ("sockets", "rss_bytes"), ("loop_lag_ms", "layer_latency_ms", "waiting")

# KEYS slot; ARGV expiry, then name, value, "sum" or "max" for each.
ADD = """
for index = 2, #ARGV, 3 do
  local name, value = ARGV[index], tonumber(ARGV[index + 1])
  local before = tonumber(redis.call('HGET', KEYS[1], name) or 0)
  if ARGV[index + 2] == 'sum' then value = before + value else value = math.max(before, value) end
  redis.call('HSET', KEYS[1], name, value)
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
"""


class Sampler:
    """What this process adds to the series."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self._slot: int | None = None
        self._before: dict[str, float] = {}
        self._largest: dict[str, float] = {}

    async def add(self, client: Any, report: Mapping[str, Any]) -> None:
        """Take what the process says of itself now into account."""
        now = slot()
        if self._slot not in (None, now):
            ended, largest = self._slot, self._largest
            grown = {name: report[name] - self._before.get(name, 0) for name in GROWING}
            self._slot, self._largest, self._before = now, {}, {name: report[name] for name in GROWING}
            sums = {"processes": 1, **grown, **{name: report[name] for name in STANDING}}
            arguments = [part for name, value in sums.items() for part in (name, value, "sum")]
            arguments += [part for name, value in largest.items() for part in (name, value, "max")]
            await client.eval(ADD, 1, key(self.prefix, ended or 0), SLOTS * SLOT_SECONDS, *arguments)
        self._slot = now
        for name, value in {**report, "waiting": sum(report["backlog"].values())}.items():
            if name in LARGEST and value is not None:
                self._largest[name] = max(self._largest.get(name, 0), value)


async def read(client: Any, prefix: str) -> list[dict[str, float]]:
    """The slots of the last hour that have ended, oldest first; empty ones are those that nothing is known about."""
    last = slot() - 1
    async with client.pipeline(transaction=False) as pipeline:
        for number in range(last - SLOTS + 1, last + 1):
            pipeline.hgetall(key(prefix, number))
        found = await pipeline.execute()
    return [{name.decode(): float(value) for name, value in each.items()} for each in found]


def slot() -> int:
    """The number of the running slot."""
    return int(time.time() // SLOT_SECONDS)


def key(prefix: str, number: int) -> str:
    return f"{prefix}:series:{number}"
