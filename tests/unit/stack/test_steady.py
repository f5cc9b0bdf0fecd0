"""Whether what was started does its work: what Celery says of a broker that it does not reach.

The texts are Celery's own (5.7), as `docker logs --timestamps` prints them.
"""

from datetime import UTC, datetime, timedelta

import pytest

from channels_stack_deploy.checks import steady
from channels_stack_deploy.console import Failure

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


def state(started: float, restarts: int) -> dict:
    """Of a container that was created at BEGAN, and started last so many seconds later."""
    at = [f"{(BEGAN + timedelta(seconds=second)).isoformat()[:19]}.123Z" for second in (0, started)]
    return {
        "Created": at[0], "StartedAt": at[1], "RestartCount": restarts, "Service": "tasks", "Status": "running",
        "ExitCode": 1, "Health": None, "Command": ["huey"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("started", "restarts", "seconds"),
    [(0, 0, 10), (3, 1, 10), (13, 1, 26), (36, 3, 24), (86400, 1, 30)],
)
def test_what_has_ended_before_runs_longer_than_it_did_then(started, restarts, seconds):
    assert steady.needed(state(started, restarts)) == seconds


def test_a_process_that_fails_after_a_slow_import_does_not_stay(monkeypatch):
    """It runs for 12 s each time, and is looked at when it has just run for 11."""
    clock = [47.0]

    def look(_project):
        restarts = int(clock[0] // 12)
        return {"new-tasks-1": state(restarts * 12, restarts)}

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return BEGAN.astimezone(tz) + timedelta(seconds=clock[0])

    class Project:
        @staticmethod
        def tail(_name):
            return "ConfigurationError: immediate"

    monkeypatch.setattr(steady, "look", look)
    monkeypatch.setattr(steady, "datetime", Clock)
    monkeypatch.setattr(steady.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(steady.time, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))
    with pytest.raises(Failure, match="tasks ends again and again"):
        steady.check(Project())
