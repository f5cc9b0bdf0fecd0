"""Who is present in groups, in Redis: each process says so for its own, and what a process has left behind is removed.

The hash ``presence`` has what each identity says of itself; the set ``holders`` has who holds it ("PROCESS:IDENTITY"); the
hash ``attending`` has the processes, each with the number of its last change, and the version of the whole, which counts
changes. A process is alive as long as its key ``alive`` exists: one key, however many groups and sockets it has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgpack

from ..stores.connections import Connections
from ..stores.script import Script
from .names import Names

# Without a sign for so long a process is dead; it gives one every RENEW_SECONDS (roster.py).
ALIVE_SECONDS = 15
# What is kept of a group whose processes have all died.
KEPT_SECONDS = 60
# Changes, and groups, in one call of a script.
AT_ONCE = 100

# A version begins with the clock of Redis, in microseconds: one that begins again is larger than the one before.
COMMON = """
local function published(keys, channel, joined, left)
  if #joined + #left == 0 then return end
  if redis.call('HEXISTS', keys[3], 'version') == 0 then
    local time = redis.call('TIME')
    redis.call('HSET', keys[3], 'version', string.format('%.0f', tonumber(time[1]) * 1000000 + tonumber(time[2])))
  end
  local version = redis.call('HINCRBY', keys[3], 'version', 1)
  redis.call('PUBLISH', channel, 'W' .. string.format('%.0f', version) .. ':' .. cmsgpack.pack({joined, left}))
end
local function processes(keys, but)
  local found, known = {}, redis.call('HGETALL', keys[3])
  for index = 1, #known, 2 do
    local each = known[index]
    if each ~= 'version' and each ~= but then found[#found + 1] = each end
  end
  return found
end
local function let_go(keys, client, others, identity, left)
  redis.call('SREM', keys[2], client .. ':' .. identity)
  for _, other in ipairs(others) do
    if redis.call('SISMEMBER', keys[2], other .. ':' .. identity) == 1 then return end
  end
  if redis.call('HDEL', keys[1], identity) == 1 then left[#left + 1] = identity end
end
local function held(keys, client)
  local found, start = {}, client .. ':'
  for _, each in ipairs(redis.call('SMEMBERS', keys[2])) do
    if string.sub(each, 1, #start) == start then found[#found + 1] = string.sub(each, #start + 1) end
  end
  return found
end
local function prune(keys, channel, alive, me)
  local left = {}
  for _, client in ipairs(processes(keys, me)) do
    if redis.call('EXISTS', alive .. client) == 0 then
      redis.call('HDEL', keys[3], client)
      local others = processes(keys, client)
      for _, identity in ipairs(held(keys, client)) do let_go(keys, client, others, identity, left) end
    end
  end
  published(keys, channel, {}, left)
end
local function keep(keys, milliseconds)
  for index = 1, 3 do redis.call('PEXPIRE', keys[index], milliseconds) end
end
"""

# KEYS presence holders attending alive; ARGV client channel alive(ms) kept(ms) number whole count, as many pairs of identity
# and data, identities that leave. With whole=1 the process holds nothing but these.
CHANGE = Script(
    COMMON
    + """
local client, joined, left, given = ARGV[1], {}, {}, {}
redis.call('SET', KEYS[4], '1', 'PX', ARGV[3])
local others, first = processes(KEYS, client), 8 + 2 * tonumber(ARGV[7])
for index = 8, first - 1, 2 do
  local identity, data = ARGV[index], ARGV[index + 1]
  given[identity] = true
  redis.call('SADD', KEYS[2], client .. ':' .. identity)
  if redis.call('HGET', KEYS[1], identity) ~= data then
    redis.call('HSET', KEYS[1], identity, data)
    joined[#joined + 1] = identity
    joined[#joined + 1] = data
  end
end
for index = first, #ARGV do let_go(KEYS, client, others, ARGV[index], left) end
if ARGV[6] == '1' then
  for _, identity in ipairs(held(KEYS, client)) do
    if not given[identity] then let_go(KEYS, client, others, identity, left) end
  end
end
redis.call('HSET', KEYS[3], client, ARGV[5])
published(KEYS, ARGV[2], joined, left)
keep(KEYS, ARGV[4])
return 1
"""
)

# KEYS alive, then presence holders attending of each group; ARGV client alive-prefix alive(ms) kept(ms) channel...
# {version, number of our last change} of each.
RENEW = Script(
    COMMON
    + """
local answer = {}
redis.call('SET', KEYS[1], '1', 'PX', ARGV[3])
for index = 2, #KEYS, 3 do
  local keys = {KEYS[index], KEYS[index + 1], KEYS[index + 2]}
  prune(keys, ARGV[5 + (index - 2) / 3], ARGV[2], ARGV[1])
  keep(keys, ARGV[4])
  answer[#answer + 1] = redis.call('HMGET', keys[3], 'version', ARGV[1])
end
return answer
"""
)

# KEYS presence holders attending; ARGV channel alive-prefix. {version, {identity, data...}}.
PRESENT = Script(
    COMMON
    + """
prune(KEYS, ARGV[1], ARGV[2], '')
return {redis.call('HGET', KEYS[3], 'version'), redis.call('HGETALL', KEYS[1])}
"""
)


class Attendance:
    """What is in Redis of the groups below one prefix."""

    def __init__(self, connections: Connections, names: Names) -> None:
        self._connections, self._names = connections, names

    async def change(
        self,
        client: str,
        group: str,
        number: int,
        joined: Mapping[str, bytes],
        left: Sequence[str] = (),
        whole: bool = False,
    ) -> None:
        """Let the process ``client`` hold ``joined`` too, or with ``whole`` nothing else, and ``left`` no more.

        The change is its ``number``-th, AT_ONCE of each at most unless it is ``whole``.
        """
        keys = [*self._keys(group), self._names.alive(client)]
        pairs = [each for pair in joined.items() for each in pair]
        lives = [ALIVE_SECONDS * 1000, KEPT_SECONDS * 1000]
        arguments = [client, self._names.group(group), *lives, number, int(whole), len(joined), *pairs, *left]
        await self._connections.run(CHANGE, keys, arguments)

    async def renew(self, client: str, groups: Sequence[str]) -> list[tuple[int, int]]:
        """Say that ``client`` is alive, and remove from these groups what dead processes have left.

        Of each group the version, and the number of the client's last change; 0: Redis knows none.
        """
        answers: list[tuple[int, int]] = []
        for start in range(0, len(groups), AT_ONCE):
            part = groups[start : start + AT_ONCE]
            keys = [self._names.alive(client), *(key for group in part for key in self._keys(group))]
            channels = [self._names.group(group) for group in part]
            arguments = [client, self._names.alive(""), ALIVE_SECONDS * 1000, KEPT_SECONDS * 1000, *channels]
            for version, number in await self._connections.run(RENEW, keys, arguments):
                answers.append((int(version or 0), int(number or 0)))
        return answers

    async def present(self, group: str) -> tuple[int, dict[str, bytes]]:
        """The version of ``group``, and the data of each identity."""
        arguments = [self._names.group(group), self._names.alive("")]
        version, flat = await self._connections.run(PRESENT, self._keys(group), arguments)
        return int(version or 0), _pairs(flat)

    def _keys(self, group: str) -> list[str]:
        return [self._names.presence(group), self._names.holders(group), self._names.attending(group)]


def changes(data: bytes) -> tuple[int, dict[str, bytes], list[str]]:
    """Version, who joined and who left, of what CHANGE and the others publish (wire.PRESENCE). Raises ValueError."""
    version, _, packed = data[1:].partition(b":")
    joined, left = msgpack.unpackb(packed, raw=True, strict_map_key=False)
    # An empty table of Lua is packed as an empty map or array, as the version of its library likes.
    return int(version), _pairs(list(joined)), [each.decode() for each in left]


def _pairs(flat: list[Any]) -> dict[str, bytes]:
    return {flat[index].decode(): flat[index + 1] for index in range(0, len(flat), 2)}
