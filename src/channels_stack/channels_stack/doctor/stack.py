"""Asks a running Redis and PostgreSQL what the rules about a running stack want to know."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..config.environment import Environment
from .findings import masked
from .project import Project
from .rules.database import databases, pool_size, processes

TIMEOUT_SECONDS = 5
SAMPLED_KEYS = 2000


@dataclass
class Redis:
    """What Redis says; ``error`` why it does not. ``skew`` is its clock minus ours, in seconds."""

    address: str
    error: str = ""
    info: dict[str, Any] = field(default_factory=dict)
    skew: float = 0.0
    uncertainty: float = 0.0
    foreign_keys: list[str] = field(default_factory=list)
    processes: int = 0  # of the stack, that have reported in the last seconds
    has_core_keys: bool = False


@dataclass
class Database:
    """What PostgreSQL says; ``error`` why it does not."""

    address: str
    error: str = ""
    version: int = 0  # such as 170002
    usable: int = 0  # connections for ordinary users
    open: int = 0


class Stack:
    """A running stack, at REDIS_URL and DATABASE_URL (or the files that X_FILE names).

    ``project`` may be None: then the size of its pools is not known. Raises ConfigurationError when neither is set.
    """

    def __init__(self, project: Project | None, environ: Mapping[str, str] | None = None) -> None:
        env = Environment(environ)
        redis_url, database_url = env.secret("REDIS_URL", "").strip(), env.secret("DATABASE_URL", "").strip()
        prefix = env.text("REDIS_PREFIX", "channels-stack")
        if not redis_url and not database_url and not env.problems:
            env.refuse("REDIS_URL", "is not set, nor is DATABASE_URL: --stack has nothing to look at")
        env.check()
        self.notes: list[str] = []  # what could not be looked at, and why
        self.project = project
        self.redis = self._ask_redis(redis_url, prefix)
        self.database = self._ask_database(database_url)
        self.processes = (self.redis.processes if self.redis else 0) or processes()

    @property
    def pool_sizes(self) -> list[int]:
        """The largest pool of each database of the project."""
        found = [pool_size(value) for _, _, value in databases(self.project)] if self.project else []
        return [size for size in found if size is not None]

    def _ask_redis(self, url: str, prefix: str) -> Redis | None:
        if not url:
            self.notes.append("REDIS_URL is not set: Redis was not looked at")
            return None
        try:
            import redis

            from ..stores.sentinels import client as client_of
        except ImportError:
            self.notes.append("the package redis is not installed: Redis was not looked at")
            return None
        facts = Redis(masked(url))
        try:
            # Not decoded: a cache keeps keys of any bytes.
            client = client_of(url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS)
            with client:
                facts.info = dict(client.info())
                started = time.time()
                seconds, microseconds = client.time()
                ended = time.time()
                facts.skew = seconds + microseconds / 1e6 - (started + ended) / 2
                facts.uncertainty = (ended - started) / 2
                self._sample(client, facts, prefix)
        except (redis.RedisError, OSError, ValueError) as error:
            facts.error = masked(f"{type(error).__name__}: {error}")
        return facts

    def _sample(self, client: Any, facts: Redis, prefix: str) -> None:
        """Look at some keys: whose are they?"""
        cursor, seen = 0, 0
        while True:
            cursor, keys = client.scan(cursor, count=500)
            for key in keys:
                name = key.decode("utf-8", "replace")
                if name.startswith(f"{prefix}:status:"):
                    facts.processes += 1
                elif re.search(r":group:|specific\.|\$inflight", name):
                    facts.has_core_keys = True
                elif not name.startswith((prefix, "asgi", "channels")):
                    facts.foreign_keys.append(name)
            seen += len(keys)
            if cursor == 0 or seen >= SAMPLED_KEYS:
                return

    def _ask_database(self, url: str) -> Database | None:
        if not url:
            self.notes.append("DATABASE_URL is not set: PostgreSQL was not looked at")
            return None
        if not url.startswith(("postgres://", "postgresql://", "pgsql://")):
            self.notes.append(f"DATABASE_URL is {url.partition(':')[0]}: only PostgreSQL is looked at")
            return None
        try:
            import psycopg
        except ImportError:
            self.notes.append("the package psycopg is not installed: PostgreSQL was not looked at")
            return None
        facts = Database(masked(url))
        address = "postgresql://" + url.partition("://")[2]
        try:
            with psycopg.connect(address, connect_timeout=TIMEOUT_SECONDS) as connection:
                row = connection.execute(
                    "SELECT current_setting('server_version_num')::int, current_setting('max_connections')::int"
                    " - current_setting('superuser_reserved_connections')::int"
                    " - coalesce(current_setting('reserved_connections', true), '0')::int,"
                    " (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')"
                ).fetchone()
            if row:
                facts.version, facts.usable, facts.open = row
        except (psycopg.Error, OSError, ValueError) as error:
            facts.error = masked(" ".join(f"{type(error).__name__}: {error}".split()))
        return facts
