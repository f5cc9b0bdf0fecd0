"""The reference application in this process, on a Redis and a PostgreSQL of its own.

It is imported with an environment of its own, which is taken back at once: nothing of it reaches other tests.
"""

import os
import shutil
import signal
import uuid

import pytest
import surroundings
from support.polling import PATIENCE
from surroundings import ENVIRONMENT, FOLDER


def _import_application() -> None:
    before = dict(os.environ)
    os.environ.update(ENVIRONMENT)
    try:
        import django

        django.setup()
    finally:
        os.environ.clear()
        os.environ.update(before)


_import_application()


@pytest.fixture(scope="session", autouse=True)
def services():
    """Redis, PostgreSQL with the tables, and the collected static files."""
    from django.core.management import call_command
    from django.db import connections

    FOLDER.chmod(0o755)
    started = [surroundings.start_redis()]
    try:
        if "DATABASE_URL" not in os.environ:
            started.append(surroundings.start_database())
        call_command("migrate", verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        yield
        for connection in connections.all():
            connection.close()
            connection.close_pool()
    finally:
        for process in started:
            # PostgreSQL ends its sessions then: on SIGTERM it waits for those that threads have left open.
            process.send_signal(signal.SIGINT)
        for process in started:
            process.wait(PATIENCE)
        shutil.rmtree(FOLDER, ignore_errors=True)


@pytest.fixture
def environment(monkeypatch):
    """The application's environment, for code that reads it when called."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def make_user():
    """Makes users: make_user("ann") or make_user("ann", is_staff=True). The name gets a unique end.

    A user has no password unless one is given: to hash one takes as long as everything else in a test.
    """
    from django.contrib.auth import get_user_model

    def make(name: str, **fields):
        return get_user_model().objects.create_user(f"{name}-{uuid.uuid4().hex[:8]}", **fields)

    return make


@pytest.fixture
def ann(make_user):
    """A user."""
    return make_user("ann")


@pytest.fixture
def bob(make_user):
    """Another user."""
    return make_user("bob")


@pytest.fixture
def room():
    """A room that only this test knows."""
    from rooms.models import Room

    return Room.objects.create(slug=f"room-{uuid.uuid4().hex[:12]}", name="Test room")


@pytest.fixture
def sign_in():
    """sign_in(user) gives a Django test client of that user, over HTTPS."""
    from django.test import Client

    def signed_in(user=None):
        client = Client(headers={"host": "rooms.test", "x-forwarded-proto": "https"})
        if user is not None:
            client.force_login(user)
        return client

    return signed_in


@pytest.fixture
def say():
    """say(room, user, text, …) stores messages, as their author's socket would."""
    from rooms import store

    def stored(room, user, *texts):
        return [store.post(room, user, text, uuid.uuid4().hex)[0] for text in texts]

    return stored
