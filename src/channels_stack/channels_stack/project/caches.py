"""The part `redis`: caches of the project that look for a Redis in their own container, or at that of the channel layers.

Where the application has a Redis of its own (APP_REDIS) they move there, and keep the number of their database. Where it has
none, the release says how to get one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import django

from ..config import app_redis, compose_hosts
from ..config.app_redis import LOCAL
from ..config.settings import Settings
from .override import Found, Override, Project

LOGIN = ("username", "password")
"""Options of a cache that belong to its former place."""

GENERAL = ("KEY_FUNCTION", "KEY_PREFIX", "TIMEOUT", "VERSION")
"""What every kind of cache knows; the options of one in memory are its own."""

SHARED = "django.core.cache.backends.redis.RedisCache"
FOR_CACHES = ("cache", "both")
"""Values of APP_REDIS with a Redis that drops old keys when it is full."""


def find(project: Project, settings: Settings) -> Found:
    """What this part sets over ``project``."""
    place = app_redis.parsed(settings.app_redis_url)
    caches = project.get("CACHES") or {}
    if place is None:
        return
    lost = {alias: _described(where) for alias, cache in caches.items() if (where := lost_place(cache))}
    moved = {alias: _moved(caches[alias], place) for alias in lost}
    own = caches.get("default") or {}
    if _is_in_memory(own) and os.environ.get("APP_REDIS") in FOR_CACHES and django.VERSION >= (4, 0):
        kept = {name: own[name] for name in GENERAL if name in own}
        moved["default"] = {**kept, "BACKEND": SHARED, "LOCATION": place.database("")}
        lost["default"] = "in the memory of each process"
    if lost:
        yield Override(
            "CACHES",
            {**caches, **moved},
            f"APP_REDIS; {', '.join(f'{alias!r} was {where}' for alias, where in lost.items())}",
        )


def risks(project: Project) -> list[str]:
    """One line for each cache that is at the wrong place and stays there, and for sessions that a cache will forget."""
    lines = []
    sessions = str(project.get("SESSION_ENGINE") or "").rpartition(".")[2] == "cache"
    for alias, cache in (project.get("CACHES") or {}).items():
        kept = sessions and alias == (project.get("SESSION_CACHE_ALIAS") or "default")
        where = lost_place(cache)
        if where:
            fix = app_redis.FIX.replace("cache", "both") if kept else app_redis.FIX
            reason = f"is {_described(where)}: {_why(where)}"
            if app_redis.place():
                fix = "APP_OVERLAY=-redis leaves it there"
            lines.append(f"CACHES[{alias!r}] {reason}; {fix}")
        elif kept and _is_redis(cache) and os.environ.get("APP_REDIS") == "cache" and _ours(cache):
            lines.append(
                f"SESSION_ENGINE: sessions are in CACHES[{alias!r}] alone, which APP_REDIS=cache empties at a restart and "
                "when it is full; APP_REDIS=both keeps them, or django.contrib.sessions.backends.cached_db"
            )
    return lines


def lost_place(cache: Mapping[str, Any]) -> str:
    """The host of a ``cache`` on Redis that is at the wrong place; "" for every other one."""
    options = cache.get("OPTIONS") or {}
    if not _is_redis(cache) or options.get("SENTINELS") or "sentinel" in str(options).lower():
        return ""
    known = app_redis.layers()
    for location in _locations(cache):
        host = _host(location)
        own = app_redis.place()
        if own and host == own.host:
            continue
        if host in (*LOCAL, *app_redis.LAYERS_HOSTS) or host == known.host or compose_hosts.is_one(host):
            return host or "localhost"
    return ""


def _is_redis(cache: Mapping[str, Any]) -> bool:
    return any(word in str(cache.get("BACKEND") or "").lower() for word in ("redis", "valkey", "cacheops"))


def _is_in_memory(cache: Mapping[str, Any]) -> bool:
    """Whether a ``cache`` is Django's default: what a page keeps there, a socket in another process does not see."""
    return str(cache.get("BACKEND") or "").rpartition(".")[2] in ("", "LocMemCache")


def _ours(cache: Mapping[str, Any]) -> bool:
    own = app_redis.place()
    return own is not None and any(_host(location) == own.host for location in _locations(cache))


def _locations(cache: Mapping[str, Any]) -> Sequence[str]:
    given = cache.get("LOCATION") or "localhost:6379"
    each = given.replace(";", ",").split(",") if isinstance(given, str) else given
    return [str(location).strip() for location in each]


def _host(location: str) -> str:
    """The host of an URL, of host:port, or of host:port:database; "" of a socket in the file system."""
    if location.startswith(("unix:", "/")):
        return ""
    return (urlsplit(location).hostname or "") if "://" in location else location.split(":")[0]


def _moved(cache: Mapping[str, Any], place: app_redis.Place) -> dict[str, Any]:
    options = {
        name: value for name, value in (cache.get("OPTIONS") or {}).items() if name.lower() not in LOGIN
    }
    moved = {**cache, "LOCATION": place.database(_database(_locations(cache)[0]))}
    return {**moved, "OPTIONS": options} if "OPTIONS" in cache else moved


def _database(location: str) -> str:
    """The number of the database that ``location`` names; "" where it names none."""
    if "://" not in location:
        number = [*location.split(":"), "", ""][2]
    else:
        parts = urlsplit(location)
        number = (parse_qs(parts.query).get("db") or [""])[0]
        if not number and not location.startswith("unix:"):
            number = parts.path.strip("/")
    return number if number.isdecimal() else ""


def _described(host: str) -> str:
    if host in LOCAL:
        return f"at {host}, the container itself"
    if compose_hosts.is_one(host):
        return f"at {host} of its own compose file"
    return f"at {host}, the Redis of the channel layers"


def _why(host: str) -> str:
    if host in LOCAL or compose_hosts.is_one(host):
        return "nothing listens there"
    return "it refuses what a cache does (FLUSHDB, SPOP), and what fills it stops the layers"
