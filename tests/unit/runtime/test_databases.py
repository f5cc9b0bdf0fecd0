"""How many connections a process keeps: the pool that the overlay sets, or a time where Django has none."""

from __future__ import annotations

import contextlib
import threading
import time
from importlib.util import find_spec

import django
import pytest
from processes import Postgres, until

from channels_stack.config.settings import Settings
from channels_stack.project import kept_connections, parts

ENVIRONMENT = {
    "SECRET_KEY": "k3y-" + "0123456789abcdefghijklmnopqrstuvwxyz" * 2,
    "DATABASE_URL": "postgresql://app:p@db:5432/app",
    "REDIS_URL": "redis://app:p@redis:6379/0",
    "HTTP_CONCURRENCY": "5",
    "WS_THREADS": "7",
    "WORKER_CONCURRENCY": "3",
    "APP_WORKER_CHANNELS": "reports mails",
}
POOLED = django.VERSION >= (5, 1) and find_spec("psycopg") and find_spec("psycopg_pool")
OUTAGE_SECONDS = 8
DEVELOPMENT = {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}


def database(own=DEVELOPMENT, **environ):
    """The default database that the overlay gives a project which has OWN."""
    settings = Settings.from_environment({**ENVIRONMENT, **environ})
    project = {"DATABASES": {"default": own}}
    found = {each.name: each.value for each in parts.find(project, settings, ("database",))}
    return found["DATABASES"]["default"]


@pytest.mark.skipif(not POOLED, reason="Django has pools since 5.1")
@pytest.mark.parametrize(("service", "most"), [("http", 5 + 2 + 1), ("ws", 7 + 1), ("worker", 3 * 2 + 1)])
def test_a_pool_holds_what_the_threads_of_a_process_can_want(monkeypatch, service, most):
    monkeypatch.setattr(kept_connections, "service", service)
    found = database()
    pool = found["OPTIONS"]["pool"]
    assert (pool["min_size"], pool["max_size"], pool["timeout"], pool["max_idle"]) == (0, most, 5, 60)
    assert found["CONN_MAX_AGE"] == 0  # Django refuses a pool with anything else


@pytest.mark.parametrize("query", ["", "?CONN_MAX_AGE=60"])
def test_another_name_of_the_same_database_keeps_no_connections(monkeypatch, query):
    """The server's limit reckons with those of `default` alone; and Django refuses a pool next to CONN_MAX_AGE."""
    monkeypatch.setattr(kept_connections, "service", "http")
    replica = {**DEVELOPMENT, "CONN_MAX_AGE": 600, "OPTIONS": {"options": "-c statement_timeout=9s"}}
    own = {"default": {**DEVELOPMENT, "OPTIONS": {"pool": True}}, "replica": replica}
    settings = Settings.from_environment(
        {**ENVIRONMENT, "DATABASE_URL": f"{ENVIRONMENT['DATABASE_URL']}{query}"}
    )
    (override,) = parts.find({"DATABASES": own}, settings, ("database",))
    found = override.value["replica"]
    assert found["HOST"] == override.value["default"]["HOST"]
    assert found["CONN_MAX_AGE"] == 0
    assert found["OPTIONS"] == {"options": "-c statement_timeout=9s", "connect_timeout": 5}


@pytest.mark.skipif(not POOLED, reason="Django has pools since 5.1")
def test_a_database_that_is_back_is_used_at_once(monkeypatch):
    """psycopg's pool doubles its pause from attempt to attempt: queries failed for as long again as the outage had lasted."""
    from psycopg_pool import ConnectionPool, PoolTimeout

    monkeypatch.setattr(kept_connections, "service", "http")
    server = Postgres()
    where = f"host=127.0.0.1 port={server.port} user=postgres dbname=postgres"

    def works() -> bool:
        with contextlib.suppress(PoolTimeout), pool.connection(timeout=0.5):
            return True
        return False

    with ConnectionPool(where, open=True, **database()["OPTIONS"]["pool"]) as pool:
        began = time.monotonic()
        until(lambda: works() or time.monotonic() - began > OUTAGE_SECONDS, what="the outage is over")
        with server:
            back = time.monotonic()
            until(works, what="the pool has a connection")
            assert time.monotonic() - back < OUTAGE_SECONDS / 2


@pytest.mark.skipif(not POOLED, reason="Django has pools since 5.1")
def test_a_query_outlives_an_outage_that_is_shorter_than_its_time(monkeypatch):
    """Also alone: no other query begins the next attempt."""
    from psycopg_pool import ConnectionPool

    monkeypatch.setattr(kept_connections, "service", "http")
    server = Postgres()
    where = f"host=127.0.0.1 port={server.port} user=postgres dbname=postgres"
    server.initialise()
    with ConnectionPool(where, open=True, **database()["OPTIONS"]["pool"]) as pool:
        starting = threading.Timer(1.5, server.start)
        starting.start()
        try:
            with pool.connection() as connection:
                assert connection.execute("select 1").fetchone() == (1,)
        finally:
            starting.join()
            server.__exit__(None, None, None)


@pytest.mark.parametrize("service", ["release", ""])
def test_what_ends_soon_keeps_no_connection(monkeypatch, service):
    monkeypatch.setattr(kept_connections, "service", service)
    found = database()
    assert found["CONN_MAX_AGE"] == 0 and "pool" not in found["OPTIONS"]


def test_what_the_project_or_the_address_says_stays(monkeypatch):
    monkeypatch.setattr(kept_connections, "service", "http")
    own = {"ENGINE": "django.db.backends.postgresql", "NAME": "shop", "OPTIONS": {"pool": {"max_size": 2}}}
    assert database(own)["OPTIONS"]["pool"] == {"max_size": 2}
    address = ENVIRONMENT["DATABASE_URL"] + "?CONN_MAX_AGE=30"
    found = database(DATABASE_URL=address)
    assert found["CONN_MAX_AGE"] == 30 and "pool" not in found["OPTIONS"]
