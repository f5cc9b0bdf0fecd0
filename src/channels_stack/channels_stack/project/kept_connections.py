"""Connections to the database: how many, and how long they are kept.

Django's connections belong to threads. Those of a serving process are few and stay (``slots``, ``threads``), so that what
they keep is used again: in a pool where Django has one (5.1) and psycopg's is installed, else by the thread itself. One
that was not used for KEPT_SECONDS is closed, the last one too.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from ..config.settings import SHARED_BY_PAGES, Settings

SERVING = ("http", "ws", "worker")
"""Services whose threads stay. Elsewhere (a release, a command, a fork of Celery's) no connection is kept."""

KEPT_SECONDS = 60
POOL_TIMEOUT = 5  # seconds that a query waits for a connection, then it fails
# So long does the pool try to connect, with a pause that doubles, before the next query begins again: as long as a query waits,
# which nothing would wake otherwise. With its default, five minutes, queries fail for as long again as an outage has lasted.
RECONNECT_SECONDS = POOL_TIMEOUT
SPARE = 1  # what looks at the database on a thread of its own: whether users are still signed in

service = ""
"""What this process is, once ``application.setup_django`` knows it: the overlay, which Django imports, cannot."""


def most(settings: Settings) -> int:
    """Connections that the threads of this process can want at once, without the one of the readiness check."""
    if service == "http":
        return settings.http_concurrency + SHARED_BY_PAGES + SPARE
    if service == "ws":
        return settings.ws_threads + SPARE
    return settings.worker_concurrency * max(1, len(settings.app_worker_channels)) + SPARE


def kept(settings: Settings, database: Mapping[str, Any]) -> dict[str, Any]:
    """What to set in DATABASE, one of Django's, so that connections are kept, and no more than ``most`` of them.

    A project's own pool, or CONN_MAX_AGE in DATABASE_URL, is left as it is.
    """
    import django

    engine, options = database["ENGINE"], database["OPTIONS"]
    if "CONN_MAX_AGE" in database:
        return {}
    # Before 4.1 Django cannot tell whether a kept connection still is one.
    if service not in SERVING or django.VERSION < (4, 1) or engine.endswith("sqlite3") or "pool" in options:
        return {"CONN_MAX_AGE": 0}
    if "postg" in engine and django.VERSION >= (5, 1) and find_spec("psycopg") and find_spec("psycopg_pool"):
        pool = {
            "min_size": 0,
            "max_size": most(settings),
            "timeout": POOL_TIMEOUT,
            "max_idle": KEPT_SECONDS,
            "reconnect_timeout": RECONNECT_SECONDS,
        }
        return {"CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": True, "OPTIONS": {**options, "pool": pool}}
    return {"CONN_MAX_AGE": KEPT_SECONDS, "CONN_HEALTH_CHECKS": True}
