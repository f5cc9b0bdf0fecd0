"""What Redis does in one step for the groups layer, in Lua. Redis 6.2 or newer, Valkey; no clock but that of Redis.

The hash ``position`` has the epoch of a group, the offset of its last event and that event's id ("last"), and the bytes of
its history; it lives as long as a process checks it. The list ``history`` has the last events, and ends with the newest: the
offset of each follows from where it stands. Whoever creates a position removes a history that is left of an earlier epoch.
"""

from __future__ import annotations

from ..stores.script import Script

POSITION = """
local function position(key)
  local known = redis.call('HMGET', key, 'epoch', 'offset', 'last', 'bytes')
  if known[1] and known[2] and known[3] then return known[1], known[2], known[3], tonumber(known[4]) or 0 end
end
local function begin(key, history, epoch)
  redis.call('DEL', key, history)
  redis.call('HSET', key, 'epoch', epoch, 'offset', '0', 'last', epoch)
  return epoch, '0', epoch, 0
end
local function written(epoch, offset, last) return epoch .. '.' .. offset .. '.' .. last end
local function clock()
  local time = redis.call('TIME')
  return string.format('%010d%03d', tonumber(time[1]), math.floor(tonumber(time[2]) / 1000))
end
"""

# Publish an event under the name of its group, and its message under the OTHER name that the group has, if it has one and
# there are more subscribers than under its own (bridge.py).
PASS_ON = """
local function pass_on(name, other, event, body)
  local got = redis.call('PUBLISH', name, event)
  if other ~= '' and string.sub(body, 1, 1) == 'M' then
    local subscribers = redis.call('PUBSUB', 'NUMSUB', name, other)
    if subscribers[4] > subscribers[2] then redis.call('PUBLISH', other, string.sub(body, 2)) end
  end
  return got
end
"""

# KEYS position history sent; ARGV id channel size bytes history(ms) position(ms) sent(ms) body, other name.
# How many connections have got it, or -1: it was published by an earlier attempt.
PUBLISH = Script(
    POSITION
    + PASS_ON
    + """
if not redis.call('SET', KEYS[3], '1', 'NX', 'PX', ARGV[7]) then return -1 end
local epoch, offset, last, bytes = position(KEYS[1])
if not epoch then epoch, offset, last, bytes = begin(KEYS[1], KEYS[2], ARGV[1]) end
offset = string.format('%.0f', tonumber(offset) + 1)
local entry = 'P' .. ARGV[1] .. last .. epoch .. clock() .. offset .. ':' .. ARGV[8]
local kept = redis.call('RPUSH', KEYS[2], entry)
if kept == 1 then bytes = 0 end -- the history before has expired, or was evicted
bytes = bytes + #entry
while kept > tonumber(ARGV[3]) or (bytes > tonumber(ARGV[4]) and kept > 0) do
  bytes = bytes - #redis.call('LPOP', KEYS[2])
  kept = kept - 1
end
redis.call('HSET', KEYS[1], 'offset', offset, 'last', ARGV[1], 'bytes', bytes)
redis.call('PEXPIRE', KEYS[1], ARGV[6])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
return pass_on(ARGV[2], ARGV[9], entry, ARGV[8])
"""
)

# ARGV channel, other name, header, body: an event without a position. How many connections have got it.
LOOSE = Script(PASS_ON + "return pass_on(ARGV[1], ARGV[2], ARGV[3] .. ARGV[4], ARGV[4])")

# KEYS position history position history...; ARGV fresh id, position(ms). The positions as text; a group without one
# begins with the fresh id as its epoch.
FIND = Script(
    POSITION
    + """
local found = {}
for index = 1, #KEYS, 2 do
  local epoch, offset, last = position(KEYS[index])
  if not epoch then epoch, offset, last = begin(KEYS[index], KEYS[index + 1], ARGV[1]) end
  redis.call('PEXPIRE', KEYS[index], ARGV[2])
  found[#found + 1] = written(epoch, offset, last)
end
return found
"""
)

# KEYS position...; ARGV position(ms), the position that the caller has for each. The numbers (from 1) of those that
# differ.
CHECK = Script(
    POSITION
    + """
local differ = {}
for index, key in ipairs(KEYS) do
  local epoch, offset, last = position(key)
  if not epoch or written(epoch, offset, last) ~= ARGV[index + 1] then
    differ[#differ + 1] = index
  end
  if epoch then redis.call('PEXPIRE', key, ARGV[1]) end
end
return differ
"""
)

# KEYS position history; ARGV epoch offset limit. {position or false, now(ms), entries...}: what follows on that offset of
# that epoch; no entries when the history does not reach back so far.
READ = Script(
    POSITION
    + """
local epoch, offset, last = position(KEYS[1])
if not epoch then return {false, clock()} end
local answer = {written(epoch, offset, last), clock()}
local first = tonumber(offset) - redis.call('LLEN', KEYS[2]) + 1
local from = tonumber(ARGV[2]) + 1
if epoch == ARGV[1] and from >= first and from <= tonumber(offset) then
  for _, entry in ipairs(redis.call('LRANGE', KEYS[2], from - first, from - first + ARGV[3] - 1)) do
    answer[#answer + 1] = entry
  end
end
return answer
"""
)

# KEYS position history; ARGV epoch, fresh id, position(ms). Ends that epoch, if it has not ended yet; the position.
RENEW = Script(
    POSITION
    + """
local epoch, offset, last = position(KEYS[1])
if not epoch or epoch == ARGV[1] then epoch, offset, last = begin(KEYS[1], KEYS[2], ARGV[2]) end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return written(epoch, offset, last)
"""
)

# What waits in a queue is "MILLISECONDS ID BODY" without the blanks; it is dropped once it is older than its expiry.
QUEUE = """
local function expire(queue, expiry)
  local oldest = string.format('%013.0f', tonumber(clock()) - tonumber(expiry))
  while true do
    local first = redis.call('LRANGE', queue, 0, 0)[1]
    if not first or string.sub(first, 1, 13) >= oldest then return end
    redis.call('LPOP', queue)
  end
end
"""

# KEYS queue sent; ARGV id wake capacity expiry(ms) sent(ms) body. 0 when the queue is full.
ENQUEUE = Script(
    POSITION
    + QUEUE
    + """
expire(KEYS[1], ARGV[4])
if redis.call('EXISTS', KEYS[2]) == 1 then return 1 end
if redis.call('LLEN', KEYS[1]) >= tonumber(ARGV[3]) then return 0 end
redis.call('SET', KEYS[2], '1', 'PX', ARGV[5])
redis.call('RPUSH', KEYS[1], clock() .. ARGV[1] .. ARGV[6])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('PUBLISH', ARGV[2], '1')
return 1
"""
)

# KEYS queue; ARGV expiry(ms). What waits longest, or false.
DEQUEUE = Script(
    POSITION
    + QUEUE
    + """
expire(KEYS[1], ARGV[1])
return redis.call('LPOP', KEYS[1])
"""
)

# KEYS queue; ARGV expiry(ms) wake, what was taken but not delivered. It is the next again.
PUT_BACK = Script(
    """
redis.call('LPUSH', KEYS[1], ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return redis.call('PUBLISH', ARGV[2], '1')
"""
)
