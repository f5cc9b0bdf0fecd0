"""Whether what was started does its work: what Celery says of a broker that it does not reach.

The texts are Celery's own (5.7), as `docker logs --timestamps` prints them.
"""

from datetime import UTC, datetime, timedelta

import pytest

from channels_stack_deploy.checks import steady

BEGAN = datetime(2026, 11, 30, 16, 20, tzinfo=UTC)

BROKER = "redis://:**@127.0.0.1:26479/0"
CANNOT = (
    f"[2026-11-30 16:20:00,409: ERROR/MainProcess] consumer: Cannot connect to {BROKER}: "
    "Error 111 connecting to 127.0.0.1:26479. Connection refused..\n"
    "Trying again in {0:.2f} seconds... (5/100)\n"
)
BEAT = (
    "[2026-11-30 16:20:00,462: ERROR/MainProcess] beat: Connection error: "
    "Error 111 connecting to 127.0.0.1:26479. Connection refused.. Trying again in {0:.1f} seconds..."
)
CONNECTED = f"[2026-11-30 16:20:00,388: INFO/MainProcess] Connected to {BROKER}"
SENT = "[2026-11-30 16:20:00,000: INFO/MainProcess] Scheduler: Sending due task a (shop.a)"
STRUCTURED = (
    '{{"message": "consumer: Cannot connect to redis://h//: refused.\\nTrying again in {0:.2f} seconds..."}}'
)


def log(*logged: tuple[float, str]) -> str:
    """What `docker logs --timestamps` prints of texts that were LOGGED so many seconds after BEGAN."""
    return "".join(
        f"{(BEGAN + timedelta(seconds=second)).isoformat()[:19]}.123456789Z {line}\n"
        for second, text in logged
        for line in text.splitlines()
    )


def unreached(second: float, *logged: tuple[float, str]) -> str:
    return steady.unreached(log(*logged), BEGAN + timedelta(seconds=second))


@pytest.mark.parametrize(
    ("logged", "words"),
    [
        ([(0, CANNOT.format(10))], f"Cannot connect to {BROKER}: Error 111"),
        ([(0, CONNECTED), (3, CANNOT.format(2))], "Cannot connect to redis://"),
        ([(0, BEAT.format(4))], "Connection error: Error 111"),
        ([(0, STRUCTURED.format(4))], "Cannot connect to redis://h//"),
        ([(0, CANNOT.format(2)), (2, CONNECTED)], ""),
        ([(0, BEAT.format(2)), (2, SENT)], ""),
        ([(0, "shop: Cannot connect to the printer: offline")], ""),
        ([], ""),
    ],
)
def test_a_broker_that_is_not_reached(logged, words):
    why = unreached(4, *logged)
    assert words in why and bool(why) == bool(words)


@pytest.mark.parametrize(
    "address",
    ["amqp://guest:**@mq:5672//", "redis+socket:///run/redis.sock", "sqs://", "azure-storage.x://"],
)
def test_a_broker_of_any_scheme_is_reached(address):
    assert unreached(4, (0, CANNOT.format(4)), (3, f"[...: INFO/MainProcess] Connected to {address}")) == ""


@pytest.mark.parametrize("text", [CANNOT, BEAT, STRUCTURED])
def test_silence_after_the_announced_try_is_a_broker_that_was_reached(text):
    """With `--loglevel WARNING` a worker says nothing of it, nor does a beat whose next task is due in an hour."""
    for wait in (2, 10, 30):
        logged = (20, text.format(wait))
        assert unreached(20 + wait, logged) != "", "the try is not over"
        assert unreached(20 + wait + steady.TRY_SECONDS + 1, logged) == "", "it would have complained"


def test_a_try_takes_as_long_as_it_takes_in_another_wording():
    """The longest wait is assumed where Celery names none."""
    logged = (0, "consumer: Cannot connect to redis://h//: refused")
    assert unreached(steady.RETRY_SECONDS, logged) != ""
    assert unreached(steady.RETRY_SECONDS + steady.TRY_SECONDS + 1, logged) == ""


@pytest.mark.parametrize(
    ("command", "is_celery"),
    [
        (["/entry", "celery", "-A", "shop", "worker"], True),
        (["/entry", "sh", "-c", "exec celery -A shop beat"], True),
        (["/entry", "/start-celeryworker"], True),
        (["/entry", "./bot", "--chatty"], False),
    ],
)
def test_only_logs_of_celery_are_read(command, is_celery):
    assert steady.runs_celery({"Command": command}) is is_celery
