"""What Redis does in one step for the jobs layer, in Lua. Redis 6.2 or newer; no clock but that of Redis.

For each channel there are three keys: ``stream`` (jobs that wait or are being worked on, one consumer group),
``later`` (a sorted set: jobs that failed, by the millisecond of their next attempt) and ``dead`` (a stream:
dead letters). An entry of ``stream`` has the fields ``m`` (the message) and, when it has failed before, ``a``
(failed attempts) and ``i`` (its first identifier). A member of ``later`` is "FIRST ATTEMPTS MESSAGE".

A job belongs to the consumer that has it pending, and only that one may say what becomes of it. A job that was
given back is pending for RELEASED, a name that no process has.
"""

from __future__ import annotations

from ..stores.script import Script

RELEASED = "released"

# ours: whether the job `identifier` is pending for the consumer `me`, and how often it was delivered. finish: it leaves the
# stream.
OURS = """
local function ours(group, me, identifier)
  local held = redis.call('XPENDING', KEYS[1], group, identifier, identifier, 1)[1]
  return held and held[2] == me, held and held[4]
end
local function finish(group, identifier)
  redis.call('XACK', KEYS[1], group, identifier)
  redis.call('XDEL', KEYS[1], identifier)
end
"""

# KEYS stream later; ARGV capacity message. The identifier, or false when the channel is full.
SEND = Script("""
if redis.call('XLEN', KEYS[1]) + redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[1]) then return false end
return redis.call('XADD', KEYS[1], '*', 'm', ARGV[2])
""")

# KEYS stream later; ARGV group consumer count released look stale(ms) sure...
# {{{identifier, fields, deliveries, from}, ...}, {suspect, ...}}.
# With look=1, first those whose time has come again, those that were given back, and of those that were not renewed
# for so long, the ones that are named in `sure`; the others of these are the suspects.
TAKE = Script("""
local stream, group, me, count, released = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local taken, suspects, sure = {}, {}, {}
local function claim(held, idle)
  local claimed = redis.call('XCLAIM', stream, group, me, idle, held[1])
  if claimed[1] then
    taken[#taken + 1] = {claimed[1][1], claimed[1][2], held[4] + 1, held[2]}
  end
end
if ARGV[5] == '1' then
  local time = redis.call('TIME')
  local now = string.format('%d%03d', time[1], math.floor(time[2] / 1000))
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 100)) do
    local first, attempts, message = string.match(member, '^(%S+) (%d+) (.*)$')
    redis.call('XADD', stream, '*', 'm', message, 'a', attempts, 'i', first)
    redis.call('ZREM', KEYS[2], member)
  end
  for _, held in ipairs(redis.call('XPENDING', stream, group, '-', '+', count, released)) do claim(held, 0) end
  for index = 7, #ARGV do sure[ARGV[index]] = true end
  for _, held in ipairs(redis.call('XPENDING', stream, group, 'IDLE', ARGV[6], '-', '+', 1000)) do
    local suspect = held[1] .. ' ' .. held[2] .. ' ' .. held[4]
    if sure[suspect] and #taken < count then
      claim(held, ARGV[6])
    elseif held[2] ~= released then
      suspects[#suspects + 1] = suspect
    end
  end
end
if #taken < count then
  local new = redis.call('XREADGROUP', 'GROUP', group, me, 'COUNT', count - #taken, 'STREAMS', stream, '>')
  if new then
    for _, entry in ipairs(new[1][2]) do taken[#taken + 1] = {entry[1], entry[2], 1, ''} end
  end
end
return {taken, suspects}
""")

# KEYS stream; ARGV group consumer identifier... The identifiers that others hold; the others are done. Where a Redis
# has forgotten that we had taken it, a job is pending for no consumer, and is done all the same.
DONE = Script(
    OURS
    + """
local lost = {}
for index = 3, #ARGV do
  local mine, deliveries = ours(ARGV[1], ARGV[2], ARGV[index])
  if mine or not deliveries then
    finish(ARGV[1], ARGV[index])
  else
    lost[#lost + 1] = ARGV[index]
  end
end
return lost
"""
)

# KEYS stream later; ARGV group consumer identifier delay(ms) member. 0 when the job is not ours.
RETRY = Script(
    OURS
    + """
if not ours(ARGV[1], ARGV[2], ARGV[3]) then return 0 end
finish(ARGV[1], ARGV[3])
local time = redis.call('TIME')
local due = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[4])
redis.call('ZADD', KEYS[2], string.format('%.0f', due), ARGV[5])
return 1
"""
)

# KEYS stream dead; ARGV group consumer identifier capacity field value... 0 when the job is not ours.
BURY = Script(
    OURS
    + """
if not ours(ARGV[1], ARGV[2], ARGV[3]) then return 0 end
finish(ARGV[1], ARGV[3])
redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[4], '*', unpack(ARGV, 5))
return 1
"""
)

# KEYS stream; ARGV group consumer identifier... Renews the leases; the identifiers that are not ours.
RENEW = Script(
    OURS
    + """
local lost = {}
for index = 3, #ARGV do
  if ours(ARGV[1], ARGV[2], ARGV[index]) then
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[index], 'JUSTID')
  else
    lost[#lost + 1] = ARGV[index]
  end
end
return lost
"""
)

# KEYS stream; ARGV group consumer released begun identifier... Gives back what is ours: whoever looks next takes
# it. With begun=0 the delivery does not count, since no handler has seen the message.
RELEASE = Script(
    OURS
    + """
local given = 0
for index = 5, #ARGV do
  local mine, deliveries = ours(ARGV[1], ARGV[2], ARGV[index])
  if mine then
    if ARGV[4] == '0' then deliveries = deliveries - 1 end
    redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[3], 0, ARGV[index],
               'IDLE', 86400000, 'RETRYCOUNT', deliveries, 'JUSTID')
    given = given + 1
  end
end
return given
"""
)

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
# KEYS dead; ARGV where to begin, how many. The newest first, each without what it holds: {identifier, size of the message, its
# first bytes, reason, attempts}.
HEADS = Script("""
local heads = {}
for number, letter in ipairs(redis.call('XREVRANGE', KEYS[1], ARGV[1], '-', 'COUNT', ARGV[2])) do
  local fields = {}
  for index = 1, #letter[2], 2 do fields[letter[2][index]] = letter[2][index + 1] end
  heads[number] = {letter[1], #fields.m, string.sub(fields.m, 1, 300), string.sub(fields.r, 1, 300), tonumber(fields.a)}
end
return heads
""")

REVIVE = Script("""
local letter = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
if not letter then return 0 end
for index = 1, #letter[2], 2 do
  if letter[2][index] == 'm' then redis.call('XADD', KEYS[2], '*', 'm', letter[2][index + 1]) end
end
redis.call('XDEL', KEYS[1], ARGV[1])
return 1
""")
