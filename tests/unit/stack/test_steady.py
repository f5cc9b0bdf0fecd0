"""Whether what was started stays, and does its work: what Celery says of a broker that it does not reach."""

import pytest

from channels_stack_deploy.checks import steady

CANNOT = (
    "[2026-11-30 15:00:00,000: ERROR/MainProcess] consumer: "
    "Cannot connect to amqp://guest:**@127.0.0.1:5672//: [Errno 111] Connection refused."
)
CONNECTED = "[2026-11-30 15:00:02,000: INFO/MainProcess] Connected to redis://redis:6379/0"
BEAT = (
    "[2026-11-30 15:00:00,000: ERROR/MainProcess] beat: "
    "Connection error: [Errno 111] Connection refused. Trying again in 2.0 seconds..."
)
SENT = "[2026-11-30 15:00:05,000: INFO/MainProcess] Scheduler: Sending due task average (dashboard.tasks.average)"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (
            [CANNOT, "Trying again in 2.00 seconds... (1/100)"],
            "amqp://guest:**@127.0.0.1:5672//: [Errno 111]",
        ),
        ([CONNECTED, CANNOT], "Cannot connect to amqp://"),
        ([BEAT], "Connection error: [Errno 111]"),
        ([f'{{"message": "{CANNOT}"}}'], "Cannot connect to amqp://"),
        ([CANNOT, CONNECTED], ""),
        ([BEAT, SENT], ""),
        (["shop: Cannot connect to the printer: offline"], ""),
        ([], ""),
    ],
)
def test_a_broker_that_is_not_reached(lines, words):
    said = steady.unreached("\n".join(lines))
    assert words in said and bool(said) == bool(words)


class Stack:
    """A stack of one container that runs, whose log of the last seconds is TEXTS, one at each look."""

    def __init__(self, *texts):
        self.texts = list(texts)

    def since(self, name, seconds):
        return self.texts.pop(0) if len(self.texts) > 1 else self.texts[0]


STATE = {"Service": "celery", "Health": None, "RestartCount": 0, "ExitCode": 0}


@pytest.fixture
def looks(monkeypatch):
    """Time passes by itself, and the container has run long enough."""
    now = iter(range(1_000_000))
    monkeypatch.setattr(steady.time, "monotonic", lambda: next(now))
    monkeypatch.setattr(steady.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(steady, "look", lambda project: {"x-celery-1": dict(STATE)})
    monkeypatch.setattr(steady, "ran", lambda state: steady.STEADY_SECONDS)


@pytest.mark.usefixtures("looks")
def test_celery_that_never_reaches_its_broker_is_no_success():
    with pytest.raises(steady.Failure) as failure:
        steady.check(Stack(CANNOT))
    assert str(failure.value).startswith("celery does not reach its broker: ")
    assert "broker=" in str(failure.value) and "app.env" in str(failure.value)


@pytest.mark.usefixtures("looks")
def test_celery_may_need_a_second_try(monkeypatch):
    details = []
    monkeypatch.setattr(steady, "detail", details.append)
    steady.check(Stack(CANNOT, CANNOT, f"{CANNOT}\n{CONNECTED}"))
    assert details == ["celery: whether it reaches its broker"]
