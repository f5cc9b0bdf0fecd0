"""What follows from HTTP_CONCURRENCY and the limits, and what does not fit together."""

import pytest

from stack import capacity, settings


@pytest.fixture
def defaults():
    return settings.defaults()


def test_the_defaults_fit(defaults):
    assert capacity.problems(defaults) == []
    # Every slot may hold a body of the largest size, twice, as long as that leaves half of the memory.
    assert capacity.derived(defaults) == {"HTTP_TMP": "256m", "HTTP_MAXCONN": "768"}


@pytest.mark.parametrize(
    ("given", "connections"),
    [
        ({"HTTP_CONCURRENCY": "9"}, 100),
        ({"HTTP_REPLICAS": "3"}, 102),
        ({"HTTP_PROCESSES": "4"}, 142),
        ({"WS_REPLICAS": "4"}, 102),
        ({"WORKER_CONCURRENCY": "10", "APP_WORKER_CHANNELS": "reports mails"}, 102),
    ],
)
def test_more_connections_than_postgresql_takes(defaults, given, connections):
    (row,) = capacity.problems(defaults | given)
    assert row[0] == "database"
    assert f"up to {connections} connections" in row[1]
    assert capacity.problems(defaults | given | {"DB_NODES": "0"}) == []  # its limit is not known here


def test_one_process_a_container_without_gunicorn(defaults):
    given = defaults | {"SERVER_HTTP": "uvicorn", "HTTP_PROCESSES": "16"}
    assert capacity.problems(given) == []
    assert capacity.derived(given)["HTTP_MAXCONN"] == "384"


def test_bodies_that_no_container_has_room_for(defaults):
    given = defaults | {"EDGE_MAX_BODY_BYTES": str(100 << 20)}
    (row,) = capacity.problems(given)
    assert row[0] == "uploads"
    assert capacity.problems(given | {"HTTP_MEMORY": row[2].split("=")[1].split(",")[0]}) == []


@pytest.mark.parametrize(("text", "mebibytes"), [("512M", 512), ("1g", 1024), ("2gb", 2048), ("1048576", 1)])
def test_sizes_as_the_engine_takes_them(text, mebibytes):
    assert capacity.mebibytes(text) == mebibytes
