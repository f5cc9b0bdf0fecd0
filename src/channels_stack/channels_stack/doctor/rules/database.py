"""DATABASES: connections under ASGI, and where the data is."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ..findings import SETTINGS, Found, Place, rule
from ..project import Project
from ..settings import Settings
from ..values import Constant, Mapping, Unknown, Value, constant, get, is_certain, text

# What a server offers by default (max_connections 100, 3 of them reserved for the superuser).
USABLE_CONNECTIONS = 97
# Processes of the stack by default; each of these variables is one of its settings.
PROCESSES = {"HTTP_PROCESSES": 2, "HTTP_REPLICAS": 2, "WS_REPLICAS": 2, "WORKER_REPLICAS": 1}


def databases(project: Project) -> Iterator[tuple[Settings, str, Value]]:
    """Every entry of DATABASES, also one that a function makes from a URL."""
    for settings in project.settings:
        found = settings["DATABASES"]
        for alias, value in found.items.items() if isinstance(found, Mapping) else ():
            yield settings, str(alias), value


def processes() -> int:
    """How many processes of the stack connect to the database, by the environment."""
    count = {
        name: int(os.environ.get(name) or 0) if os.environ.get(name, "").isdigit() else default
        for name, default in PROCESSES.items()
    }
    return count["HTTP_PROCESSES"] * count["HTTP_REPLICAS"] + count["WS_REPLICAS"] + count["WORKER_REPLICAS"]


def pool_size(database: Value) -> int | None:
    """How many connections a process keeps at most in its pool; None without a pool."""
    pool = get(database, "OPTIONS", "pool")
    if constant(pool) is True:
        return 4  # psycopg_pool: min_size 4, max_size the same
    if not isinstance(pool, Mapping):
        return None
    size = constant(pool.items.get("max_size")) or constant(pool.items.get("min_size")) or 4
    return size if isinstance(size, int) else None


def _age(database: Value) -> tuple[Value | None, bool]:
    """CONN_MAX_AGE of an entry, and whether it keeps connections."""
    age = get(database, "CONN_MAX_AGE")
    if age is None and isinstance(database, Unknown) and database.call.startswith("dj_database_url."):
        age = database.keywords.get("conn_max_age")
    if not isinstance(age, Constant):
        return age, False
    return age, age.value is None or (isinstance(age.value, (int, float)) and age.value > 0)


@rule("E401", SETTINGS)
def kept_connections(project: Project) -> Found:
    """Database connections are kept

    In production: a connection belongs to a thread, and under ASGI threads come and go. A kept connection is never used
    again, stays open, and after a while the database refuses new ones. (This stack's own threads stay, and use it again.)

    Instead: keep none, and let a pool in each process do it (psycopg 3, Django 5.1).
        "CONN_MAX_AGE": 0,
        "OPTIONS": {"pool": {"min_size": 1, "max_size": 8, "timeout": 5, "reconnect_timeout": 5}},
    """
    for _, alias, database in databases(project):
        age, keeps = _age(database)
        if keeps and age is not None and is_certain(age) and get(database, "OPTIONS", "pool") is None:
            what = "for ever" if constant(age) is None else f"{constant(age):g} s"
            yield age.at, f"CONN_MAX_AGE of DATABASES[{alias!r}] keeps connections {what}"


@rule("E402", SETTINGS)
def pool_and_kept_connections(project: Project) -> Found:
    """A pool together with CONN_MAX_AGE

    In production: the first query raises ImproperlyConfigured: Pooling doesn't support persistent connections.

    Instead: leave the keeping to the pool.
        "CONN_MAX_AGE": 0,
    """
    for _, alias, database in databases(project):
        age, keeps = _age(database)
        if keeps and age is not None and get(database, "OPTIONS", "pool") is not None:
            yield age.at, f"DATABASES[{alias!r}] has a pool and CONN_MAX_AGE"


@rule("W403", SETTINGS)
def connection_budget(project: Project) -> Found:
    """More connections than PostgreSQL accepts

    In production: under load PostgreSQL refuses: too many clients already. Pages and sockets fail by turns, in all
    processes.

    Instead: keep (processes x max_size) below max_connections, which is 100 by default; 8 is enough for most.
        "OPTIONS": {"pool": {"min_size": 1, "max_size": 8, "timeout": 5, "reconnect_timeout": 1}},
    """
    for _, alias, database in databases(project):
        size, running = pool_size(database), processes()
        if size is not None and size * running > USABLE_CONNECTIONS:
            pool = get(database, "OPTIONS", "pool")
            wrong = f"{running} processes x {size} connections of DATABASES[{alias!r}] are {running * size}"
            yield pool.at if pool else Place("."), wrong


@rule("W404", SETTINGS, deploy=True)
def sqlite(project: Project) -> Found:
    """SQLite among the sources

    In production: the image is read-only and thrown away with every release, and each replica has a file of its own:
    data is lost, or cannot be written at all.

    Instead: take the database from the environment.
        DATABASES = {"default": dj_database_url.parse(os.environ["DATABASE_URL"])}
    """
    for settings, alias, database in databases(project):
        engine = get(database, "ENGINE")
        if (
            (text(engine) or "").endswith("sqlite3")
            and is_certain(engine)
            and not _is_elsewhere(project, settings, database)
        ):
            yield engine.at, f"DATABASES[{alias!r}] is an SQLite file"  # type: ignore[union-attr]


def _is_elsewhere(project: Project, settings: Settings, database: Value) -> bool:
    """Whether the file's path is absolute or comes from the environment."""
    name = get(database, "NAME")
    if name is not None and name.variables:
        return True
    path = text(name) or ""
    if settings.imported:
        return not path.startswith(project.files.root)
    return path.startswith("/")
