"""A program for test_hops.py: for each state of a thread's connections, whether the hop is made and whether it changes anything.

Prints JSON: {state: [channels_hop.has_work() said so, close_old_connections() changed something]}.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time

import django
from asgiref.sync import SyncToAsync, ThreadSensitiveContext, async_to_sync, sync_to_async
from django.conf import settings

SQLITE = {"ENGINE": "django.db.backends.sqlite3"}
DATABASES = {
    "default": {**SQLITE, "NAME": "default.sqlite3", "CONN_MAX_AGE": 0},
    "kept": {**SQLITE, "NAME": "kept.sqlite3", "CONN_MAX_AGE": 60},
    "for ever": {**SQLITE, "NAME": "ever.sqlite3", "CONN_MAX_AGE": None},
    "healthy": {**SQLITE, "NAME": "healthy.sqlite3", "CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True},
    "manual": {**SQLITE, "NAME": "manual.sqlite3", "CONN_MAX_AGE": 60, "AUTOCOMMIT": False},
}
if "TEST_POSTGRES_PORT" in os.environ:
    POSTGRES = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "postgres",
        "USER": "postgres",
        "HOST": "127.0.0.1",
        "PORT": os.environ["TEST_POSTGRES_PORT"],
        "CONN_HEALTH_CHECKS": True,
    }
    DATABASES["postgres"] = {**POSTGRES, "CONN_MAX_AGE": 60}
    if django.VERSION >= (5, 1):
        DATABASES["pool"] = {
            **POSTGRES,
            "CONN_MAX_AGE": 0,
            "OPTIONS": {"pool": {"min_size": 1, "max_size": 2}},
        }
settings.configure(DATABASES=DATABASES, INSTALLED_APPS=["channels"], SECRET_KEY="k")
django.setup()

from django.db import close_old_connections, connections, transaction  # noqa: E402

from channels_stack.patches import channels_hop  # noqa: E402

channels_hop.apply()


def use(alias):
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT 1")


def age(alias):
    use(alias)
    connections[alias].close_at = time.monotonic() - 1


def fail(alias):
    use(alias)
    connections[alias].errors_occurred = True


def take_over(alias):
    use(alias)
    connections[alias].set_autocommit(not connections[alias].settings_dict["AUTOCOMMIT"])


def close(alias):
    use(alias)
    connections[alias].close()


def begin(alias):
    use(alias)
    transaction.atomic(using=alias).__enter__()


def look_twice(alias):
    use(alias)
    close_old_connections()


STATES = {
    "nothing": None,
    "used": use,
    "too old": age,
    "an error": fail,
    "autocommit changed": take_over,
    "closed": close,
    "in a transaction": begin,
    "looked at since": look_twice,
}


def changes():
    """Whether Django's function does anything to any connection of this thread."""
    before = snapshot()
    close_old_connections()
    return snapshot() != before


def snapshot():
    return [state(connection) for connection in connections.all()]


def state(connection):
    checked = connection.health_check_enabled and connection.health_check_done
    return [
        repr(connection.connection),
        connection.closed_in_transaction,
        connection.errors_occurred,
        checked,
    ]


async def compare(prepare, *aliases):
    """On a thread of its own."""
    token = SyncToAsync.thread_sensitive_context.set(ThreadSensitiveContext())
    try:
        for alias in aliases:
            await sync_to_async(prepare)(alias)
        said = channels_hop.has_work()
        changed = await sync_to_async(changes)()
        return [said, changed]
    finally:
        SyncToAsync.thread_sensitive_context.reset(token)


async def main():
    found = {}
    for name, prepare in STATES.items():
        if prepare is None:
            found[name] = await compare(use)
            continue
        for alias in settings.DATABASES:
            found[f"{alias}: {name}"] = await compare(prepare, alias)
    found["two, one of them to be closed"] = await compare(use, "for ever", "default")
    found["two that stay"] = await compare(use, "for ever", "kept")

    # The one thread that all tasks share where nobody has set a context.
    await sync_to_async(use)("default")
    said = channels_hop.has_work()
    found["the shared thread"] = [said, await sync_to_async(changes)()]
    found["the shared thread afterwards"] = [channels_hop.has_work(), await sync_to_async(changes)()]

    # Another thread's connection is nobody else's.
    other = ThreadSensitiveContext()
    token = SyncToAsync.thread_sensitive_context.set(other)
    await sync_to_async(use)("default")
    SyncToAsync.thread_sensitive_context.reset(token)
    found["another's thread"] = [channels_hop.has_work(), await sync_to_async(changes)()]
    return found


async def lent():
    """Within `async_to_sync` sync code runs on the thread that waits: here it has a connection."""
    return [channels_hop.has_work(), await sync_to_async(changes)()]


results = asyncio.run(main())
use("default")
results["a lent thread"] = async_to_sync(lent)()
json.dump(results, sys.stdout)
sys.stdout.flush()
os._exit(0)  # the threads of pools, and a transaction left open, are of no interest
