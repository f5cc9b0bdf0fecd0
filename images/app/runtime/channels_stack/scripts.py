"""What Redis does in one step for the jobs layer, in Lua. Redis 6.2 or newer; no clock but that of Redis.

For each channel there are three keys: ``stream`` (jobs that wait or are being worked on, one consumer group),
``later`` (a sorted set: jobs that failed, by the millisecond of their next attempt) and ``dead`` (a stream:
dead letters). An entry of ``stream`` has the fields ``m`` (the message) and, when it has failed before, ``a``
(failed attempts) and ``i`` (its first identifier). A member of ``later`` is "FIRST ATTEMPTS MESSAGE".
"""

from __future__ import annotations

import hashlib


class Script:
    """A Lua text and the name under which Redis keeps it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


# KEYS stream later; ARGV capacity message. The identifier, or false when the channel is full.
SEND = Script("""
if redis.call('XLEN', KEYS[1]) + redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[1]) then return false end
return redis.call('XADD', KEYS[1], '*', 'm', ARGV[2])
""")

# KEYS stream later; ARGV group consumer count lease(ms) look. {{identifier, fields, deliveries, from}, ...}.
# With look=1, first those whose time has come again and those whose lease has run out.
TAKE = Script("""
local stream, group, me, count = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local taken = {}
if ARGV[5] == '1' then
  local time = redis.call('TIME')
  local now = string.format('%d%03d', time[1], math.floor(time[2] / 1000))
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 100)) do
    local first, attempts, message = string.match(member, '^(%S+) (%d+) (.*)$')
    redis.call('XADD', stream, '*', 'm', message, 'a', attempts, 'i', first)
    redis.call('ZREM', KEYS[2], member)
  end
  for _, stale in ipairs(redis.call('XPENDING', stream, group, 'IDLE', ARGV[4], '-', '+', count)) do
    local claimed = redis.call('XCLAIM', stream, group, me, ARGV[4], stale[1])
    if claimed[1] then
      taken[#taken + 1] = {claimed[1][1], claimed[1][2], stale[4] + 1, stale[2]}
    end
  end
end
if #taken < count then
  local new = redis.call('XREADGROUP', 'GROUP', group, me, 'COUNT', count - #taken, 'STREAMS', stream, '>')
  if new then
    for _, entry in ipairs(new[1][2]) do taken[#taken + 1] = {entry[1], entry[2], 1, ''} end
  end
end
return taken
""")

# KEYS stream; ARGV group identifier... The number of jobs that were still ours or anybody's.
DONE = Script("""
local identifiers = {unpack(ARGV, 2)}
local acknowledged = redis.call('XACK', KEYS[1], ARGV[1], unpack(identifiers))
redis.call('XDEL', KEYS[1], unpack(identifiers))
return acknowledged
""")

# KEYS stream later; ARGV group identifier delay(ms) member. 0 when the job was dealt with already.
RETRY = Script("""
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
redis.call('XDEL', KEYS[1], ARGV[2])
local time = redis.call('TIME')
local due = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[3])
redis.call('ZADD', KEYS[2], string.format('%.0f', due), ARGV[4])
return 1
""")

# KEYS stream dead; ARGV group identifier capacity field value... 0 when the job was dealt with already.
BURY = Script("""
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
redis.call('XDEL', KEYS[1], ARGV[2])
redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[3], '*', unpack(ARGV, 4))
return 1
""")

# KEYS stream; ARGV group consumer identifier... Starts the lease anew; the identifiers that are not ours, or
# were released (idle for a day).
RENEW = Script("""
local lost = {}
for index = 3, #ARGV do
  local held = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[index], ARGV[index], 1)[1]
  if held and held[2] == ARGV[2] and held[3] < 86400000 then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[index], 'JUSTID')
  else
    lost[#lost + 1] = ARGV[index]
  end
end
return lost
""")

# KEYS stream; ARGV group consumer begun identifier... Ends the lease of what is ours: whoever looks next takes
# it. With begun=0 the delivery does not count, since nobody has seen the message.
RELEASE = Script("""
local released = 0
for index = 4, #ARGV do
  local held = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[index], ARGV[index], 1)[1]
  if held and held[2] == ARGV[2] then
    local deliveries = held[4]
    if ARGV[3] == '0' then deliveries = deliveries - 1 end
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[index],
               'IDLE', 86400000, 'RETRYCOUNT', deliveries, 'JUSTID')
    released = released + 1
  end
end
return released
""")

# KEYS stream; ARGV group consumer idle(ms). Forgets this consumer and those not seen for so long, unless one
# holds jobs: with the consumer Redis would forget that they were not done.
FORGET = Script("""
local known = redis.pcall('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])
if known.err then return 0 end
local forgotten = 0
for _, pairs in ipairs(known) do
  local consumer = {}
  for index = 1, #pairs, 2 do consumer[pairs[index]] = pairs[index + 1] end
  if consumer.pending == 0 and (consumer.name == ARGV[2] or consumer.idle > tonumber(ARGV[3])) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer.name)
    forgotten = forgotten + 1
  end
end
return forgotten
""")

# KEYS stream later dead; ARGV group lease(ms). {waiting, running, later, dead, age of the oldest in ms}.
CENSUS = Script("""
local running, pending = 0, redis.pcall('XPENDING', KEYS[1], ARGV[1])
if not pending.err and pending[1] > 0 then
  running = pending[1] - #redis.call('XPENDING', KEYS[1], ARGV[1], 'IDLE', ARGV[2], '-', '+', 1000)
end
local age, oldest = 0, redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
if oldest then
  local first = oldest[1]
  for index = 1, #oldest[2], 2 do
    if oldest[2][index] == 'i' then first = oldest[2][index + 1] end
  end
  local time = redis.call('TIME')
  age = time[1] * 1000 + math.floor(time[2] / 1000) - tonumber(string.match(first, '^%d+'))
end
local waiting = redis.call('XLEN', KEYS[1]) - running
return {waiting, running, redis.call('ZCARD', KEYS[2]), redis.call('XLEN', KEYS[3]), age}
""")

# KEYS dead stream; ARGV identifier. Puts a dead letter back as a new job; 0 when it is not there.
REVIVE = Script("""
local letter = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
if not letter then return 0 end
for index = 1, #letter[2], 2 do
  if letter[2][index] == 'm' then redis.call('XADD', KEYS[2], '*', 'm', letter[2][index + 1]) end
end
redis.call('XDEL', KEYS[1], ARGV[1])
return 1
""")
