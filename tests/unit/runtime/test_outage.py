"""What counts as an outage, told by real errors of real servers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import time

import django.db.utils
import psycopg
import pytest
import redis as redis_py
import uvloop
from processes import Postgres, Redis, free_port
from redis.asyncio import Redis as AsyncRedis

from channels_stack.stores import outage


@pytest.fixture(scope="module")
def postgres():
    with Postgres() as server:
        yield server


def connect(port: int, **options) -> psycopg.Connection:
    return psycopg.connect(host="127.0.0.1", port=port, user="postgres", autocommit=True, **options)


def as_django_raises(error: Exception) -> Exception:
    try:
        try:
            raise error
        except Exception as driver:
            raise django.db.utils.OperationalError(*driver.args) from driver
    except Exception as wrapped:
        return wrapped


def error_of(call) -> Exception:
    with pytest.raises(Exception) as raised:  # noqa: PT011  # which one is what the test is about
        call()
    return raised.value


def test_a_redis_that_is_away():
    error = error_of(lambda: redis_py.Redis(port=free_port()).ping())
    assert outage.cause(error).startswith("Redis: ConnectionError: ")


@pytest.mark.parametrize("loop", [uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
def test_a_connection_that_was_closed_before_a_write(loop):
    """redis-py 8.1 passes on what the event loop says, which is no error of redis-py's."""

    async def use(server: Redis) -> None:
        async with AsyncRedis(port=server.port).pubsub() as subscriptions:
            await subscriptions.subscribe("first")
            subscriptions.connection._writer.transport.abort()  # as after a reset by the other end
            for number in range(100):
                await asyncio.sleep(0)  # the loop takes notice
                await subscriptions.subscribe(f"channel {number}")

    with Redis() as server, asyncio.Runner(loop_factory=loop) as runner:
        error = error_of(lambda: runner.run(use(server)))
    assert outage.cause(error).startswith("Redis: "), repr(error)


def test_the_same_words_from_elsewhere_are_a_bug():
    assert outage.cause(error_of(lambda: None.nothing)) == ""
    words = "unable to perform operation on <TCPTransport closed=True>; the handler is closed"
    assert outage.cause(RuntimeError(words)) == ""


def test_a_redis_that_is_full():
    with Redis() as server:
        client = redis_py.Redis(port=server.port)
        client.config_set("maxmemory", "1mb")
        error = error_of(lambda: [client.set(f"filler:{number}", b"x" * 100_000) for number in range(100)])
    assert outage.cause(error).startswith("Redis: ")
    assert "maxmemory" in outage.cause(error)


def test_a_command_that_redis_does_not_know_is_a_bug():
    with Redis() as server:
        error = error_of(lambda: redis_py.Redis(port=server.port).execute_command("NOSUCH"))
    assert outage.cause(error) == ""


def test_a_database_that_is_away():
    error = as_django_raises(error_of(lambda: connect(free_port())))
    assert outage.cause(error).startswith("database: OperationalError: ")


def test_a_database_that_ends_the_connection(postgres):
    victim, other = connect(postgres.port), connect(postgres.port)
    other.execute("SELECT pg_terminate_backend(%s)", [victim.info.backend_pid])
    assert outage.cause(as_django_raises(error_of(lambda: victim.execute("SELECT 1"))))


def test_a_database_without_a_connection_left(postgres):
    with contextlib.ExitStack() as links:

        def use_up() -> None:
            while True:
                links.enter_context(connect(postgres.port))

        assert outage.cause(as_django_raises(error_of(use_up)))


def test_a_statement_that_takes_too_long_is_a_bug(postgres):
    link = connect(postgres.port, options="-c statement_timeout=50")
    error = error_of(lambda: link.execute("SELECT pg_sleep(5)"))
    assert outage.cause(as_django_raises(error)) == ""


def test_a_table_that_sqlite_does_not_have_is_a_bug():
    error = error_of(lambda: sqlite3.connect(":memory:").execute("SELECT * FROM nosuch"))
    assert outage.cause(as_django_raises(error)) == ""


def test_an_error_of_the_application_is_a_bug():
    assert outage.cause(ConnectionRefusedError("some service of the application")) == ""


def test_the_traceback_of_each_second_becomes_a_line(caplog):
    logger, brief = logging.getLogger("outage-test"), outage.Brief()
    logger.addFilter(brief)
    for _ in range(3):
        try:
            raise redis_py.ConnectionError("gone")
        except redis_py.ConnectionError:
            logger.exception("Unexpected exception in receive task")
    try:
        raise ValueError("a bug")
    except ValueError:
        logger.exception("Unexpected exception in receive task")
    lost, bug = caplog.records
    assert (lost.levelname, lost.exc_info) == ("WARNING", None)
    assert lost.getMessage().endswith("trying on: Redis: ConnectionError: gone")
    assert (bug.levelname, bug.exc_info is None) == ("ERROR", False)


def test_lines_are_held_back_for_a_while_and_counted(monkeypatch):
    seldom, now = outage.Seldom(), time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert [seldom.due("x"), seldom.due("x"), seldom.due("x"), seldom.due("y")] == [True, False, False, True]
    monkeypatch.setattr(time, "monotonic", lambda: now + outage.QUIET_SECONDS)
    assert seldom.due("x")
    assert seldom.held("x") == " (and 2 more times)"


def test_lines_held_back_are_not_remembered_for_ever(monkeypatch):
    """Subjects are the channels of sockets, which come and go for months."""
    seldom, now = outage.Seldom(), time.monotonic()
    for number in range(20_000):
        monkeypatch.setattr(outage.time, "monotonic", lambda number=number: now + number / 100)
        assert seldom.due(f"specific.{number}")
        assert not seldom.due(f"specific.{number}")
    assert len(seldom._last) <= outage.SUBJECTS
    assert len(seldom._held) <= outage.SUBJECTS
