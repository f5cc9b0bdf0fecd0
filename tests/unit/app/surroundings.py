"""The Redis and the PostgreSQL of these tests, and the environment that tells the application about them.

With DATABASE_URL set, that database is used and no PostgreSQL is started.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from pathlib import Path

from support.polling import until
from support.ports import free_port

PROJECT = Path(__file__).resolve().parents[3]
ORIGIN = "https://rooms.test"

REDIS_PORT, DATABASE_PORT = free_port(), free_port()
FOLDER = Path(tempfile.mkdtemp(prefix="rooms-"))
ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "SECRET_KEY": uuid.uuid4().hex * 2,
    "DATABASE_URL": os.environ.get(
        "DATABASE_URL", f"postgresql://postgres@127.0.0.1:{DATABASE_PORT}/postgres?sslmode=disable"
    ),
    "REDIS_URL": f"redis://127.0.0.1:{REDIS_PORT}/0",
    "REDIS_PREFIX": "unit",
    "DOMAINS": "rooms.test",
    "STATIC_ROOT": str(FOLDER / "static"),
}


def start_redis() -> subprocess.Popen:
    options = ["--port", str(REDIS_PORT), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(["redis-server", *options], cwd=FOLDER, stdout=subprocess.DEVNULL)
    _await_port(REDIS_PORT, process)
    return process


def start_database() -> subprocess.Popen:
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


def _await_port(port: int, process: subprocess.Popen) -> None:
    def listens() -> bool:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args[0]} ended with {process.returncode}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    until(listens, what=f"{process.args[0]} listens")
