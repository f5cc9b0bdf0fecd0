"""How many requests a process works on at once, on every server and a real PostgreSQL."""

from __future__ import annotations

import concurrent.futures
import contextlib
import time
from collections import Counter

import pytest
from processes import Postgres, until
from serving import SERVERS, Serving, serve

CONCURRENCY = 3
QUEUE_SECONDS = 5


@pytest.fixture(scope="module")
def postgres():
    """With room for the threads of one process, and nothing to spare."""
    with Postgres(max_connections=CONCURRENCY + 2 + 1 + 3) as postgres:
        yield postgres


@pytest.fixture(scope="module", params=SERVERS)
def serving(request, redis, postgres, tmp_path_factory):
    environment = {
        "HTTP_PROCESSES": "1",
        "HTTP_CONCURRENCY": str(CONCURRENCY),
        "APP_OVERLAY": "-debug -static -layers -logging",
        "DATABASE_URL": f"postgresql://postgres@127.0.0.1:{postgres.port}/postgres",
        "DOMAINS": "127.0.0.1",
    }
    folder = tmp_path_factory.mktemp(request.param)
    serving = serve(folder, redis, request.param, "http", **environment)
    serving.wait_until_ready()
    yield serving
    serving.kill()


@contextlib.contextmanager
def waiting(serving: Serving, path: str, count: int, said: str):
    """COUNT requests under way that do not end by themselves soon."""
    before = serving.journal().count(said)
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            connection = stack.enter_context(contextlib.closing(serving.connection()))
            connection.request("GET", path)
        until(lambda: serving.journal().count(said) == before + count, what=f"{count} times: {said}")
        yield


def crowd(serving: Serving, count: int, path: str) -> list:
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: serving.get(path), range(count)))


def test_a_crowd_is_answered_in_turn_or_asked_to_come_back(serving):
    """Half of them fit into the time that one may queue."""
    fit = CONCURRENCY * QUEUE_SECONDS
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        probes = pool.submit(lambda: [serving.ready() for _ in range(50) if time.sleep(0.1) is None])
        begun = time.monotonic()
        answers = crowd(serving, 2 * fit, "/queries/slow/1000/")
        seconds = time.monotonic() - begun
        assert set(probes.result()) == {200}
    counted = Counter(answer.status for answer in answers)
    assert set(counted) == {200, 503}
    assert counted[200] >= fit // 2  # a busy machine needs longer for each
    assert {answer.headers["Retry-After"] for answer in answers if answer.status == 503} == {"5"}
    assert seconds > QUEUE_SECONDS
    assert "too many clients" not in serving.whole_log()


def test_what_only_waits_takes_no_slot(serving):
    with (
        waiting(serving, "/queries/long-poll/8/", 3 * CONCURRENCY, "polls"),
        waiting(serving, "/queries/events/", 3 * CONCURRENCY, "events begin"),
    ):
        answers = crowd(serving, 2 * CONCURRENCY, "/queries/slow/100/")
        assert [answer.status for answer in answers] == [200] * len(answers)
    assert "too many clients" not in serving.whole_log()


def test_rows_that_are_still_to_be_fetched_arrive(serving):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        export = pool.submit(serving.get, "/queries/export/")
        while not export.done():
            assert serving.get("/queries/slow/10/").status == 200
        assert export.result().body == b"1\n2\n3\n"


def test_a_view_that_outlives_its_client_keeps_its_thread(serving):
    """Else the next request would wait behind it without anybody knowing."""
    before = serving.journal().count("stubborn begins")
    for number in range(1, CONCURRENCY + 1):
        connection = serving.connection()
        connection.request("GET", "/queries/stubborn/")
        until(lambda number=number: serving.journal().count("stubborn begins") == before + number)
        connection.close()
    assert serving.get("/queries/slow/10/").status == 200


def test_who_has_left_the_queue_is_not_worked_on(serving):
    before = serving.journal().count("stubborn begins")
    with concurrent.futures.ThreadPoolExecutor(CONCURRENCY) as pool:
        busy = [pool.submit(serving.get, "/queries/stubborn/") for _ in range(CONCURRENCY)]
        until(lambda: serving.journal().count("stubborn begins") == before + CONCURRENCY)
        for _ in range(CONCURRENCY):
            connection = serving.connection()
            connection.request("GET", "/queries/stubborn/")
            connection.close()
        assert [page.result().status for page in busy] == [200] * CONCURRENCY
    assert serving.get("/queries/slow/10/").status == 200
    assert serving.journal().count("stubborn begins") == before + CONCURRENCY
