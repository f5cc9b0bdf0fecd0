"""What a process needs around it, looked at once before it serves or works.

Redis must keep what it is given, allow what the layers do, and have our time; the database must have the tables of
this code; there must be a descriptor for each socket. What is wrong is refused with its fix, all at once. A data
store that does not answer is no mistake of the configuration: it may be starting, and readiness reports it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import re
import resource
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from typing import Any, Callable
from urllib.parse import urlsplit

from ..config import app_redis
from ..config.environment import ConfigurationError, Problem
from ..config.settings import Settings

log = logging.getLogger("channels_stack.surroundings")

ANSWER_SECONDS = 3
OLDEST_REDIS = (5,)  # streams and BZPOPMIN
OLDEST_FOR_JOBS = (6, 2)  # see scripts.py
# Messages are ordered and expire by the clocks of their senders: a minute apart, one process drops another's.
SKEW_REPORTED, SKEW_REFUSED = 5, 30  # seconds
OTHER_FILES = 256  # descriptors for everything but websockets: requests, data stores, files
NAMED = 3  # migrations named
# Each is harmless on a key that does not exist; together they are what both layers cannot do without.
COMMANDS = (
    "PUBLISH {key} -",
    "EVAL return(1) 0",
    "EXPIRE {key} 1",
    "DEL {key}",
    "ZCARD {key}",
    "ZPOPMIN {key}",
    "ZADD {key} XX 1 -",
    "XLEN {key}",
    "XRANGE {key} - + COUNT 1",
    "XACK {key} - 0-0",
    "XDEL {key} 0-0",
)
# What takes jobs and keeps them, and no serving process does; harmless in the same way.
JOB_COMMANDS = (
    "XADD {key} NOMKSTREAM * m -",
    "XGROUP CREATE {key} - 0",
    "XREADGROUP GROUP - - COUNT 1 STREAMS {key} >",
    "XPENDING {key} -",
    "XCLAIM {key} - - 0 0-0",
    "ZRANGEBYSCORE {key} 0 0",
    "ZREM {key} -",
)


def check(settings: Settings, service: str) -> Settings:
    """The settings as they can be had here. Raises ConfigurationError with everything that is wrong."""
    wrong = problems(settings, service)
    if wrong:
        raise ConfigurationError(wrong)
    return enough_files(settings) if service == "ws" else settings


def problems(settings: Settings, service: str) -> list[Problem]:
    """What is wrong around a process of ``service``."""
    return [
        *redis_problems(settings, service),
        *app_redis_problems(settings),
        *_in_time(lambda: database_problems(settings.debug)),
    ]


def _client() -> str:
    """The libraries that talk to Redis, with their versions."""
    found = []
    for name in ("redis", "hiredis"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found.append(f"{name} {metadata.version(name)}")
    return " with ".join(found)


def redis_problems(settings: Settings, service: str) -> Iterator[Problem]:
    """What is wrong with the Redis of REDIS_URL."""
    import redis

    from ..stores import sentinels

    purpose = "the Redis of the channel layers"
    client = sentinels.client(
        settings.redis_url, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS
    )
    try:
        before = time.time()
        seconds, microseconds = client.time()
        skew = abs(seconds + microseconds / 1e6 - (before + time.time()) / 2)
        info: Mapping[str, Any] = client.info()
        for command in (*COMMANDS, *(JOB_COMMANDS if service == "worker" else ())):
            words = command.format(key=f"{settings.redis_prefix}.surroundings").split()
            try:
                client.execute_command(*words)
            except redis.exceptions.NoPermissionError:
                yield Problem("REDIS_URL", f"its user may not run {words[0]}: extend the user's ACL", purpose)
            except redis.exceptions.ResponseError as error:
                # A replica, or a memory that is full: nothing that this look has to find out.
                log.debug("%s: %s", words[0], error)
    except redis.exceptions.NoPermissionError as error:
        yield Problem("REDIS_URL", f"{error}: extend the user's ACL", purpose)
        return
    except redis.exceptions.AuthenticationError:
        yield Problem("REDIS_URL", f"{_place(settings)} refuses its user or password", purpose)
        return
    except redis.exceptions.RedisError as error:
        log.warning("redis %s does not answer yet: %s", _place(settings), error)
        return
    except Exception as error:
        # A pair of versions that pip accepts, and that cannot work: hiredis 2.0 raises a TypeError below redis 5.
        reason = f"{type(error).__name__}: {error}"
        wrong = f"is asked by {_client()}, which cannot: {reason}; take other versions of them in the project's requirements"
        yield Problem("REDIS_URL", wrong, purpose)
        return
    finally:
        with contextlib.suppress(Exception):
            client.close()
    version = str(info.get("redis_version", ""))
    oldest = OLDEST_FOR_JOBS if service == "worker" else OLDEST_REDIS
    if (numbers := tuple(map(int, re.findall(r"\d+", version)))) and numbers < oldest:
        yield Problem("REDIS_URL", f"is Redis {version}: use {'.'.join(map(str, oldest))} or newer", purpose)
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction" and info.get("maxmemory"):
        wrong = f"throws away what it is given when it is full ({policy}): set maxmemory-policy noeviction"
        yield Problem("REDIS_URL", wrong, purpose)
    if skew > SKEW_REFUSED:
        wrong = f"its clock and ours are {skew:.0f} s apart: synchronise both hosts by NTP"
        yield Problem("REDIS_URL", wrong, purpose)
    elif skew > SKEW_REPORTED:
        log.warning("the clock of redis and ours are %.0f s apart: synchronise both hosts by NTP", skew)


def app_redis_problems(settings: Settings) -> Iterator[Problem]:
    """Whether the application's own Redis refuses us. One that is unavailable stops no process: not every page uses it."""
    import redis

    own = app_redis.parsed(settings.app_redis_url)
    if own is None:
        return
    client = redis.Redis.from_url(
        own.url, socket_timeout=ANSWER_SECONDS, socket_connect_timeout=ANSWER_SECONDS
    )
    try:
        client.ping()
    except redis.exceptions.AuthenticationError:
        yield Problem(app_redis.NAME, f"{own.host}:{own.port} refuses its user or password", "APP_REDIS")
    except redis.exceptions.RedisError as error:
        log.warning("the application's redis %s:%d does not answer yet: %s", own.host, own.port, error)
    finally:
        client.close()


def database_problems(development: bool = False) -> Iterator[Problem]:
    """Whether the default database lacks migrations of this code; in DEVELOPMENT that is a line of the log."""
    from django.conf import settings
    from django.db import Error, connection
    from django.db.migrations.executor import MigrationExecutor

    config = settings.DATABASES.get("default") or {}
    if not config.get("ENGINE") or config["ENGINE"].endswith(".dummy") or ":memory:" in str(config["NAME"]):
        return
    try:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except Error as error:
        log.warning("the database does not answer yet: %s", str(error).partition("\n")[0])
        return
    finally:
        connection.close()
    if plan:
        names = [f"{migration.app_label}.{migration.name}" for migration, _ in plan]
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        wrong = (
            f"lacks migrations of this code, {', '.join(names[:NAMED])}{more}: run `channels-stack release`"
        )
        if development:
            # Development: `runserver` prints it and goes on too, and whoever wrote the migration is about to run it.
            log.warning("the database %s", wrong)
            return
        yield Problem("DATABASE_URL", wrong, "the database")


def enough_files(settings: Settings) -> Settings:
    """Raise our limit of open files to what is needed; where that is forbidden, fewer sockets are let in."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = settings.ws_max_sockets + OTHER_FILES
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed == needed:
        return settings
    sockets = max(1, allowed - OTHER_FILES)
    log.warning(
        "WS_MAX_SOCKETS is %d, but this process may open only %d files: it takes %d sockets. "
        "Raise the limit (nofile), or lower WS_MAX_SOCKETS",
        *(settings.ws_max_sockets, hard, sockets),
    )
    return dataclasses.replace(settings, ws_max_sockets=sockets)


def _in_time(look: Callable[[], Iterable[Problem]]) -> list[Problem]:
    """What ``look`` finds within ANSWER_SECONDS. A database that hangs has no time limit of its own."""
    problems: list[Problem] = []
    thread = threading.Thread(target=lambda: problems.extend(look()), name="database-look", daemon=True)
    thread.start()
    thread.join(ANSWER_SECONDS)
    if thread.is_alive():
        log.warning("the database does not answer within %d s", ANSWER_SECONDS)
    return problems


def _place(settings: Settings) -> str:
    """Where that Redis is, without its password."""
    parts = urlsplit(settings.redis_url)
    if parts.scheme == "redis+sentinel":
        return f"behind the Sentinels {parts.netloc.rpartition('@')[2]}"
    return parts.path if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or 6379}"
