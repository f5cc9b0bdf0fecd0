"""The wrapped application: its end."""

from __future__ import annotations

import os
import subprocess
import sys

from processes import HERE, RUNTIME, Postgres

USES_THE_POOL = """
import threading
import django
django.setup()
from django.db import connection
connection.ensure_connection()
connection.close()
print(threading.active_count() > 1)
from channels_stack.application import close_database_pools
close_database_pools()
print([thread.name for thread in threading.enumerate()])
"""


def test_pools_of_connections_are_closed():
    """For the threads of one left open, psycopg may wait 5 s each while the interpreter ends."""
    with Postgres() as postgres:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{RUNTIME}:{HERE}",
            "DJANGO_SETTINGS_MODULE": "conformance.settings",
            "SECRET_KEY": "k7f3-only-for-tests-" * 4,
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "TEST_POSTGRES_PORT": str(postgres.port),
            "TEST_POSTGRES_POOL": "1",
        }
        command = [sys.executable, "-B", "-c", USES_THE_POOL]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["True", "['MainThread']"]
