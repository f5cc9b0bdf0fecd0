"""The application's own Redis (APP_REDIS_URL), next to that of the channel layers: where it is, and who is sent there.

A project finds it by the variables that such projects read (``variables``), by CACHES (``caches``), or where it looks for
a Redis in its own container (``patches.redis_clients``). This module is imported at the start of every Python program: it imports
next to nothing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from . import compose_hosts

LOCAL = ("127.0.0.1", "localhost", "::1", "0.0.0.0", "")
"""Hosts that in a container mean the container itself."""

NAME = "APP_REDIS_URL"
NAMES = ("REDIS_URL", "CACHE_URL", "REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD")
"""Variables by which a project may find it. None of them is in the environment: entry_points.py answers who asks."""

PORT = 6379

LAYERS_HOSTS = ("redis", "redis-2", "redis-3")
"""The Redis of the channel layers, under the name that compose files of projects mostly have for theirs."""

FIX = "APP_REDIS=cache in stack.env starts a Redis for the application"


@dataclass(frozen=True)
class Place:
    """A Redis, as an address names it."""

    url: str = field(repr=False)
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    tls: bool

    def database(self, number: str) -> str:
        """Its address with the database NUMBER, "" for the one that it names."""
        return urlsplit(self.url)._replace(path=f"/{number}").geturl() if number else self.url


def parsed(url: str) -> Place | None:
    """What ``url`` names; None where that is no single Redis. Raises ValueError for a port that is none."""
    parts = urlsplit(url)
    if parts.scheme not in ("redis", "rediss") or not parts.hostname:
        return None
    return _place(url, parts.port or PORT)


def place() -> Place | None:
    """The application's own Redis; None where it has none, or where its address cannot be read."""
    try:
        return parsed(_text(NAME))
    except ValueError:
        return None


def layers() -> Place:
    """The Redis of the channel layers, or the Sentinels before it."""
    url = _text("REDIS_URL")
    try:
        return _place(url, urlsplit(url).port or PORT)
    except ValueError:  # those of several Sentinels
        return _place(url, PORT)


def _place(url: str, port: int) -> Place:
    parts = urlsplit(url)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Place(url, parts.hostname or "", port, user, password, parts.scheme == "rediss")


def _text(name: str) -> str:
    path = os.environ.get(f"{name}_FILE")
    if not path:
        return os.environ.get(name, "").strip()
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except (OSError, ValueError):
        return ""


def variables() -> dict[str, str]:
    """What NAMES are for the project; nothing where the environment has one of them: then the operator has chosen."""
    values = place() if f"{NAME}_FILE" in os.environ else None
    if values is None or any(name in NAMES for name in os.environ):
        return {}
    return {
        "REDIS_URL": values.url,
        "CACHE_URL": values.url,
        "REDIS_HOST": values.host,
        "REDIS_PORT": str(values.port),
        "REDIS_PASSWORD": values.password,
    }


def is_lost(host: str, port: object = PORT, password: str = "") -> bool:
    """Whether a client of ``host`` that logs in with ``password`` is at the wrong place, and this is what it looks for.

    That is: in its own container, or at the Redis of the channel layers without their login.
    """
    known = layers()
    if password and password == known.password:
        return False
    if not known.password and (host, str(port)) == (known.host, str(known.port)):
        return False
    return host in LOCAL or host in LAYERS_HOSTS or compose_hosts.is_one(host)
