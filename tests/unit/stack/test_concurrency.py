"""What follows from HTTP_CONCURRENCY and the limits, and what does not fit together."""

import re

import pytest

from channels_stack.config.settings import Settings
from channels_stack.middleware import uploads
from channels_stack.project import kept_connections
from channels_stack_deploy.config import concurrency, settings

REQUIRED = {
    "SECRET_KEY": "k3y-" + "0123456789abcdefghijklmnopqrstuvwxyz" * 2,
    "DATABASE_URL": "postgresql://app:p@db:5432/app",
    "REDIS_URL": "redis://app:p@redis:6379/0",
}


@pytest.fixture
def defaults():
    return settings.defaults()


def test_the_defaults_fit(defaults):
    assert concurrency.problems(defaults) == []
    # Every slot may hold a body of the largest size, twice, as long as that leaves half of the memory.
    assert concurrency.derived(defaults) == {
        "HTTP_TMP": "256m",
        "HTTP_MAXCONN": "768",
        "DB_MAX_CONNECTIONS": "192",
    }


@pytest.mark.parametrize(
    "given",
    [
        {"HTTP_CONCURRENCY": "9"},
        {"HTTP_REPLICAS": "6"},
        {"HTTP_PROCESSES": "4"},
        {"WS_REPLICAS": "8"},
        {"WORKER_CONCURRENCY": "10", "APP_WORKER_CHANNELS": "reports mails"},
        {
            "APP_COMMANDS": "celery: celery -A mysite worker; beat: celery -A mysite beat",
            "HTTP_REPLICAS": "4",
        },
    ],
)
def test_one_change_of_the_defaults_fits_and_restarts_no_database(defaults, given):
    assert concurrency.problems(defaults | given) == []
    assert concurrency.max_connections(defaults | given) == concurrency.max_connections(defaults)


@pytest.mark.parametrize(
    ("given", "connections"),
    [
        ({"HTTP_REPLICAS": "8"}, 207),
        ({"HTTP_REPLICAS": "3", "DB_MEMORY": "512M"}, 107),
        ({"HTTP_REPLICAS": "2", "DB_MEMORY": "256M"}, 87),
        ({"HTTP_REPLICAS": "6", "APP_COMMANDS": "; ".join(f"c{n}: celery worker" for n in range(6))}, 197),
    ],
)
def test_more_connections_than_the_memory_of_the_database_bears(defaults, given, connections):
    given = defaults | given
    (row,) = concurrency.problems(given)
    assert row[0] == "database"
    assert f"up to {connections} connections" in row[1] and f"DB_MEMORY={given['DB_MEMORY']}" in row[1]
    # The way out that the line gives is one.
    memory = re.match(r"DB_MEMORY=(\w+),", row[2])[1]
    assert concurrency.problems(given | {"DB_MEMORY": memory}) == []
    assert concurrency.problems(given | {"DB_NODES": "0"}) == []  # its limit is not known here


def test_more_connections_than_one_postgresql_serves(defaults):
    given = defaults | {"HTTP_REPLICAS": "50", "DB_MEMORY": "64G"}
    (row,) = concurrency.problems(given)
    assert concurrency.max_connections(given) == 1000
    assert "DB_MEMORY=" not in row[2] and "pooler" in row[2]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"HTTP_CONCURRENCY": "11", "WS_THREADS": "7", "WORKER_CONCURRENCY": "3"},
        {"APP_WORKER_CHANNELS": "reports mails scores", "WORKER_PROCESSES": "2"},
    ],
)
def test_the_runtime_holds_as_many_connections_as_the_stack_counts(defaults, given, monkeypatch):
    given = defaults | given
    # Without those that follow from others when they are empty.
    said = {name: value for name, value in given.items() if value or name == "APP_WORKER_CHANNELS"}
    runtime = Settings.from_environment({**said, **REQUIRED})
    counted = concurrency.connections(given)
    processes = {"http": concurrency.processes(given), "ws": 1, "worker": runtime.worker_processes}
    assert processes["http"] == runtime.http_processes
    for service, number in counted.items():
        monkeypatch.setattr(kept_connections, "service", service)
        # The readiness check's is its own.
        apart = concurrency.READINESS if service != "worker" else 0
        assert number == processes[service] * (kept_connections.most(runtime) + apart), service


def test_the_runtime_counts_copies_of_a_body_as_the_stack_does():
    assert uploads.RESERVE_BYTES == concurrency.RESERVE << 20
    assert {"gunicorn": uploads.COPIES, "uvicorn": uploads.COPIES, "daphne": uploads.COPIES_WITH_DAPHNE} == (
        concurrency.COPIES
    )


def test_one_process_a_container_without_gunicorn(defaults):
    given = defaults | {"SERVER_HTTP": "uvicorn", "HTTP_PROCESSES": "16"}
    assert concurrency.problems(given) == []
    assert concurrency.derived(given)["HTTP_MAXCONN"] == "384"


def test_bodies_that_no_container_has_room_for(defaults):
    given = defaults | {"EDGE_MAX_BODY_BYTES": str(100 << 20)}
    (row,) = concurrency.problems(given)
    assert row[0] == "uploads"
    assert concurrency.problems(given | {"HTTP_MEMORY": row[2].split("=")[1].split(",")[0]}) == []


@pytest.mark.parametrize(("text", "mebibytes"), [("512M", 512), ("1g", 1024), ("2gb", 2048), ("1048576", 1)])
def test_sizes_as_the_engine_takes_them(text, mebibytes):
    assert concurrency.mebibytes(text) == mebibytes
