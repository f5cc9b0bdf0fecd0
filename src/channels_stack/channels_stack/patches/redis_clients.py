"""Clients of Redis that look for it in their own container reach the application's Redis, whoever made them and when.

`redis.Redis(host="localhost")` in a module, a queue of django-rq, a broker written into code: each opens its connections by
one method of redis-py (of valkey-py), which is replaced in every Python program of a container with
APP_REDIS. A client at the Redis of the channel layers that does not have their login is sent there as well, and one that
knows the place and no password gets it. Its database keeps its number.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.machinery
import logging
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from ..config import app_redis
from .patch import Patch

VERSIONS = {"redis": "4.2 to 8.1", "valkey": "6.2"}
PATCH = Patch(
    package="redis",
    versions=VERSIONS["redis"],
    why="clients that are made with localhost, or without a password, cannot be configured from outside",
    without="clients at localhost do not reach the application's Redis: give them REDIS_URL",
    upstream="https://github.com/redis/redis-py/blob/master/redis/connection.py",
)

MODULES = (
    "redis.connection",
    "redis.asyncio.connection",
    "valkey.connection",
    "valkey.asyncio.connection",
)

log = logging.getLogger("channels_stack.redirect")
_logged = False


def install() -> None:
    """Replace that method where it is imported, now or later; not where APP_OVERLAY leaves the part `redis` alone."""
    if {"off", "-redis"} & set(os.environ.get("APP_OVERLAY", "on").split()):
        return
    sys.meta_path.insert(0, _Finder())
    for name in MODULES:
        if name in sys.modules:
            apply(sys.modules[name])


class _Finder(importlib.abc.MetaPathFinder):
    """Lets the modules be patched as soon as they have been executed."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in MODULES:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(name, path, target)
            if spec is not None and spec.loader is not None:
                _apply_after(spec.loader)
                return spec
        return None


def _apply_after(loader: importlib.abc.Loader) -> None:
    """Let ``loader`` patch the module that it has executed."""
    execute = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        execute(module)
        apply(module)

    loader.exec_module = exec_module  # type: ignore[method-assign]


def apply(module: ModuleType) -> None:
    """Let the connections of ``module`` go where they should; once."""
    encrypted = getattr(module, "SSLConnection", ())

    def make(connect: Any) -> Any:
        @functools.wraps(connect)
        def reach(self: Any, *arguments: Any, **options: Any) -> Any:
            if not isinstance(self, encrypted):
                turn(self)
            return connect(self, *arguments, **options)

        return reach

    package = module.__name__.partition(".")[0]
    patch = PATCH._replace(package=package, versions=VERSIONS[package])
    patch.replace(getattr(module, "Connection", module), "_connect", make, arguments=1)


def turn(connection: Any) -> None:
    """Give ``connection``, which is about to be opened, the place and login of the application's Redis where it lacks them."""
    global _logged
    place = app_redis.place()
    if place is None or place.tls:  # an open connection is not made an encrypted one
        return
    host, password = str(connection.host or ""), str(getattr(connection, "password", None) or "")
    arrived = (host, str(connection.port)) == (place.host, str(place.port))
    knows = password or getattr(connection, "credential_provider", None)
    if (arrived and knows) or not (arrived or app_redis.is_lost(host, connection.port, password)):
        return
    if not _logged and not arrived:
        _logged = True
        log.info(
            "a client of Redis at %s reaches the application's Redis, %s", host or "localhost", place.host
        )
    connection.host, connection.port = place.host, place.port
    connection.username, connection.password = place.user or None, place.password or None
    connection.credential_provider = None
