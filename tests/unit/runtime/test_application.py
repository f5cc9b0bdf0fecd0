"""The wrapped application: its end."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from processes import HERE, PATIENCE, RUNTIME, Postgres

USES_THE_POOL = """
import threading
import django
django.setup()
from django.db import connection
connection.ensure_connection()
connection.close()
print(threading.active_count() > 1)
from channels_stack.project.loading import close_database_pools
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
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["True", "['MainThread']"]


LOGGING_AT_THE_ROOT = """
SECRET_KEY = "x"
LOGGING = {
    "version": 1,
    "formatters": {"own": {"format": "OWN FORM %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "own"}},
    "root": {"level": "INFO", "handlers": ["console"]},
}
"""
LOADS = """
import logging
from channels_stack.project import loading
from channels_stack.config.settings import Settings
settings = Settings.from_environment()
loading.setup_django(settings, "http")
loading.load(settings)
logging.getLogger("any").warning("said")
"""


def test_loading_the_application_does_not_take_the_form_of_the_logs_back(tmp_path):
    """`get_asgi_application()` sets Django up once more, and with it the project's LOGGING."""
    (tmp_path / "plain.py").write_text(LOGGING_AT_THE_ROOT)
    (tmp_path / "gate.py").write_text(
        "from django.core.asgi import get_asgi_application\napplication = get_asgi_application()\n"
    )
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{RUNTIME}:{tmp_path}",
        "APP_OVERLAY": "off",
        "APP_SETTINGS": "plain",
        "APP_ASGI": "gate:application",
        "SECRET_KEY": "k7f3-only-for-tests-" * 4,
        "DATABASE_URL": "sqlite://:memory:",
        "REDIS_URL": "redis://127.0.0.1:1/0",
    }
    command = [sys.executable, "-B", "-c", LOADS]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    lines = (done.stdout + done.stderr).splitlines()
    assert [json.loads(line)["message"] for line in lines] == ["said"]
