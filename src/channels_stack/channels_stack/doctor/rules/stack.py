"""A running stack: Redis and PostgreSQL as they are set up and filled."""

from __future__ import annotations

from ..findings import STACK, Found, Place, rule
from ..packages import version
from ..stack import Stack

REDIS, DATABASE = Place("REDIS_URL"), Place("DATABASE_URL")
LARGEST_SKEW = 1.0  # seconds; an NTP client keeps a clock within a few milliseconds
CORE_FLOOR = "5.0"  # BZPOPMIN
# Distributions correct holes without a new number, so only a series that is no longer corrected is reported.
MAINTAINED_FLOOR = "6.2"
# Django series -> the oldest PostgreSQL it talks to.
POSTGRESQL_FLOORS = {(4, 2): 12, (5,): 12, (5, 1): 13, (5, 2): 14, (6,): 14, (6, 1): 14}


@rule("E901", STACK)
def redis_unreachable(stack: Stack) -> Found:
    """Redis does not answer

    In production: no socket can be opened, and messages are lost.

    Instead: correct REDIS_URL, or start Redis.
    """
    if stack.redis and stack.redis.error:
        yield REDIS, f"{stack.redis.address}: {stack.redis.error}"


@rule("E902", STACK)
def redis_too_old(stack: Stack) -> Found:
    """Redis is older than the channel layer needs

    In production: the core layer fails at the first message: unknown command BZPOPMIN.

    Instead: run Redis 7.2 or newer, or Valkey.
    """
    found = _info(stack, "redis_version")
    if found and version(found) < version(CORE_FLOOR):
        yield REDIS, f"Redis {found} is older than {CORE_FLOOR}"


@rule("W903", STACK)
def redis_unmaintained(stack: Stack) -> Found:
    """Redis of a series that gets no corrections

    In production: known holes stay open, that of the Lua interpreter (CVE-2025-49844) among them.

    Instead: run Redis 7.2 or newer, or Valkey.
    """
    found = _info(stack, "redis_version")
    if found and version(CORE_FLOOR) <= version(found) < version(MAINTAINED_FLOOR):
        yield REDIS, f"Redis {found} is older than {MAINTAINED_FLOOR}"


@rule("E904", STACK)
def eviction(stack: Stack) -> Found:
    """Redis evicts keys

    In production: when the memory is full, groups lose their members and queues their jobs in silence.

    Instead: let a full Redis refuse, which is seen.
        maxmemory-policy noeviction
    """
    policy = _info(stack, "maxmemory_policy")
    if policy and policy != "noeviction":
        yield REDIS, f"maxmemory-policy is {policy}"


@rule("W905", STACK)
def no_memory_limit(stack: Stack) -> Found:
    """Redis has no memory limit

    In production: a queue that is not read grows until the kernel kills Redis, and with it every message.

    Instead: stay well below the memory of the container.
        maxmemory 192mb
    """
    limit = _info(stack, "maxmemory")
    if limit is not None and int(limit) == 0:
        yield REDIS, "maxmemory is 0, which means no limit"


@rule("E906", STACK)
def cluster_mode(stack: Stack) -> Found:
    """Redis runs as a cluster

    In production: the core layer runs scripts over several keys, which a cluster refuses (CROSSSLOT, MOVED); neither
    layer has a client for a cluster.

    Instead: run a single Redis.
        cluster-enabled no
    """
    if str(_info(stack, "cluster_enabled")) == "1":
        yield REDIS, "cluster-enabled is yes"


@rule("W907", STACK)
def clock_skew(stack: Stack) -> Found:
    """This machine's clock is not that of Redis

    In production: messages are ordered, and expire, by the clocks of the senders. Between machines whose clocks differ
    they overtake each other and, from a minute on, are lost before they are read.

    Instead: run an NTP client, such as chrony, on every machine.
    """
    if stack.redis and not stack.redis.error:
        skew, uncertainty = stack.redis.skew, stack.redis.uncertainty
        if abs(skew) - uncertainty > LARGEST_SKEW:
            yield REDIS, f"Redis is {abs(skew):.1f} s {'ahead' if skew > 0 else 'behind'}"


@rule("W908", STACK)
def shared_redis(stack: Stack) -> Found:
    """Redis holds more than channel layers

    In production: a cache fills the memory of the queues, and clearing it empties them; a queue of Celery has no limit.

    Instead: give each a Redis of its own.
    """
    if stack.redis and stack.redis.foreign_keys:
        count = len(stack.redis.foreign_keys)
        yield (
            REDIS,
            f"{count} of the keys that were looked at are others', {stack.redis.foreign_keys[0][:60]!r} for example",
        )


@rule("W909", STACK)
def not_persistent(stack: Stack) -> Found:
    """Groups and jobs live in memory only

    In production: after a restart of Redis the sockets of the core layer are open and hear nothing, because their groups
    are gone; so are the jobs.

    Instead: write a log.
        appendonly yes
        appendfsync everysec
    """
    if stack.redis and stack.redis.has_core_keys and str(_info(stack, "aof_enabled")) == "0":
        yield REDIS, "the core layer is in use, and appendonly is no"


@rule("E910", STACK)
def database_unreachable(stack: Stack) -> Found:
    """PostgreSQL does not answer

    In production: every page and every socket that needs it fails.

    Instead: correct DATABASE_URL, or start PostgreSQL.
    """
    if stack.database and stack.database.error:
        yield DATABASE, f"{stack.database.address}: {stack.database.error}"


@rule("E911", STACK)
def database_too_old(stack: Stack) -> Found:
    """PostgreSQL is older than Django needs

    In production: every query raises NotSupportedError.

    Instead: upgrade PostgreSQL.
    """
    if stack.database and stack.database.version and stack.project:
        series = next((one.pinned for one in stack.project.packages.find("django") if one.pinned), None)
        floor = POSTGRESQL_FLOORS.get(series[:2]) if series else None
        if floor and stack.database.version // 10_000 < floor:
            yield DATABASE, f"PostgreSQL {stack.database.version // 10_000} is older than {floor}"


@rule("E912", STACK)
def budget(stack: Stack) -> Found:
    """More connections than this PostgreSQL accepts

    In production: under load PostgreSQL refuses: too many clients already. Pages and sockets fail by turns, in all
    processes.

    Instead: lower max_size of the pool, or raise max_connections.
    """
    if stack.database and stack.database.usable:
        for size in stack.pool_sizes:
            if size * stack.processes > stack.database.usable:
                wrong = f"{stack.processes} processes x {size} connections are {stack.processes * size}"
                yield DATABASE, f"{wrong}, and {stack.database.usable} are accepted"


def _info(stack: Stack, name: str) -> str | None:
    if not stack.redis or stack.redis.error or name not in stack.redis.info:
        return None
    return str(stack.redis.info[name])
