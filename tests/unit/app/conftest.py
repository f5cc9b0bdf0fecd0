"""The reference application in this process, on a Redis and a PostgreSQL of its own.

The application is imported with an environment of its own, which is taken back at once: nothing of it reaches the
other tests. With DATABASE_URL set, that database is used and no PostgreSQL is started.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[3]
ORIGIN = "https://rooms.test"
PORTS = range(21200, 21300)
PASSWORD = "only for these tests"


def _free_ports(count: int) -> list[int]:
    free = []
    for port in PORTS:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        free.append(port)
        if len(free) == count:
            return free
    raise RuntimeError(f"no {count} free ports among {PORTS}: is something left of another run?")


REDIS_PORT, DATABASE_PORT = _free_ports(2)
FOLDER = Path(tempfile.mkdtemp(prefix="rooms-"))
ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "SECRET_KEY": uuid.uuid4().hex * 2,
    "SECRET_KEY_FALLBACKS": uuid.uuid4().hex * 2,
    "DATABASE_URL": os.environ.get(
        "DATABASE_URL", f"postgresql://postgres@127.0.0.1:{DATABASE_PORT}/postgres?sslmode=disable"
    ),
    "REDIS_URL": f"redis://127.0.0.1:{REDIS_PORT}/0",
    "REDIS_PREFIX": "unit",
    "DOMAINS": "rooms.test",
    "STATIC_ROOT": str(FOLDER / "static"),
}


def _import_application() -> None:
    sys.path[:0] = [str(PROJECT / "app"), str(PROJECT / "images/app/runtime")]
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
    started = [_start_redis()]
    try:
        if "DATABASE_URL" not in os.environ:
            started.append(_start_database())
        call_command("migrate", verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        yield
        for connection in connections.all():
            connection.close()
            connection.close_pool()
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(10)
        shutil.rmtree(FOLDER, ignore_errors=True)


def _start_redis() -> subprocess.Popen:
    options = ["--port", str(REDIS_PORT), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(["redis-server", *options], cwd=FOLDER, stdout=subprocess.DEVNULL)
    _await_port(REDIS_PORT, process)
    return process


def _start_database() -> subprocess.Popen:
    """A PostgreSQL without durability; it refuses to run as root, so root becomes its user postgres."""
    programs = shutil.which("initdb") or str(max(Path("/usr/lib/postgresql").glob("*/bin/initdb")))
    programs = Path(programs).resolve().parent
    cluster = FOLDER / "database"
    cluster.mkdir()
    user = []
    if os.geteuid() == 0:
        shutil.chown(cluster, "postgres")
        user = ["runuser", "-u", "postgres", "--"]
    initdb = [programs / "initdb", "-D", cluster, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
    subprocess.run([*user, *initdb, "--locale=C"], check=True, stdout=subprocess.DEVNULL)
    options = ["fsync=off", "listen_addresses=127.0.0.1", f"unix_socket_directories={cluster}"]
    server = [programs / "postgres", "-D", cluster, "-p", str(DATABASE_PORT)]
    for option in options:
        server += ["-c", option]
    with open(FOLDER / "database.log", "wb") as log:
        process = subprocess.Popen([*user, *server], stdout=log, stderr=log)
    _await_port(DATABASE_PORT, process)
    return process


def _await_port(port: int, process: subprocess.Popen, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args[0]} ended with {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"nothing listens on port {port} after {seconds} s")


@pytest.fixture
def environment(monkeypatch):
    """The application's environment, for code that reads it when called."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def make_user():
    """Makes users: make_user("ann") or make_user("ann", is_staff=True). The name gets a unique end."""
    from django.contrib.auth import get_user_model

    def make(name: str, **fields):
        return get_user_model().objects.create_user(f"{name}-{uuid.uuid4().hex[:8]}", password=PASSWORD, **fields)

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
