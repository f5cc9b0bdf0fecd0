"""Lines of several hosts in the order of their time, and the filters on them."""

import json
import queue
import threading
import time

import pytest

from channels_stack_deploy.console import Failure, say
from channels_stack_deploy.operate import logs
from channels_stack_deploy.operate.logs import Filter, in_order, level, readable

ACCESS = json.dumps({"level": "info", "logger": "a", "message": "GET / 200", "request_id": "r1", "path": "/"})
BROKEN = json.dumps(
    {"level": "error", "logger": "a", "message": "no", "exception": "Traceback\n  line", "request_id": "r2"}
)
SEEN = {"method": "GET", "path": "/", "status": 503, "total_ms": 4, "client": "::1"}
EDGE = json.dumps({"event": "request", "request_id": "r1", **SEEN})


def line(at: str, host: str = "host1") -> logs.Line:
    return (at, host, "c", "http", at)


def given(*items) -> queue.Queue:
    arrived: queue.Queue = queue.Queue()
    for item in items:
        arrived.put(item and (time.monotonic(), item))
    return arrived


def test_what_has_ended_is_sorted_at_once(monkeypatch):
    monkeypatch.setattr(logs, "HOLD_SECONDS", 3600)
    arrived = given(line("3"), line("1", "host2"), None, line("2"), None)
    assert [each[0] for each in in_order(arrived, 2)] == ["1", "2", "3"]


def test_a_line_is_handed_on_though_nothing_follows(monkeypatch):
    """Again and again, because once in a while the last moment of its wait was taken for no wait at all."""
    monkeypatch.setattr(logs, "HOLD_SECONDS", 0.002)
    arrived = given()
    found: queue.Queue = queue.Queue()
    reader = threading.Thread(target=lambda: [found.put(each) for each in in_order(arrived, 1)], daemon=True)
    reader.start()
    for number in range(300):
        arrived.put((time.monotonic(), line(f"{number:03}")))
        assert found.get(timeout=30)[0] == f"{number:03}"
    arrived.put(None)
    reader.join(30)


def test_a_later_host_has_its_turn_while_an_earlier_line_is_held(monkeypatch):
    monkeypatch.setattr(logs, "HOLD_SECONDS", 0.3)
    arrived = given(line("2"))
    merged = in_order(arrived, 1)
    threading.Timer(0.05, arrived.put, [(time.monotonic(), line("1", "host2"))]).start()
    assert [next(merged)[0], next(merged)[0]] == ["1", "2"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ACCESS, "info"),
        (BROKEN, "error"),
        (EDGE, "error"),
        ("2026-11-29 UTC [7] FATAL:  no", "critical"),
        ("2026-11-29 UTC [7] LOG:  checkpoint", "info"),
        ("{no json", "info"),
        ("", "info"),
    ],
)
def test_how_bad_a_line_is(text, expected):
    assert level(text) == expected


def test_filters():
    assert Filter(level="warning").passes(BROKEN) and not Filter(level="warning").passes(ACCESS)
    assert Filter(request="r1").passes(EDGE) and not Filter(request="r1").passes(BROKEN)
    uuid = "01a2264c-e752-7c3f-8d21-5e1f0c9b7a64"
    traced = json.dumps({"message": "a job", "trace_id": uuid.replace("-", "")})
    asked = json.dumps({"message": "a page", "request_id": uuid})
    for given_id in (uuid, uuid.replace("-", "")):
        assert Filter(request=given_id).passes(traced) and Filter(request=given_id).passes(asked)
        assert not Filter(request=given_id).passes(BROKEN)
    with pytest.raises(Failure, match="LEVEL=loud is none of debug"):
        Filter(level="loud")


def test_what_people_read():
    assert readable(ACCESS) == "INFO    a: GET / 200  request_id=r1"
    assert readable(BROKEN) == "ERROR   a: no  request_id=r2\n    Traceback\n      line"
    assert readable(EDGE).startswith("ERROR   GET / 503 4 ms  request_id=r1")
    assert readable("plain") == "INFO    plain"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "[WARNING]  (18) : Server ws/ws1 is DOWN, WARNING all",
            "WARNING Server ws/ws1 is DOWN, WARNING all",
        ),
        (
            "[ALERT]    (18) : backend 'ws' has no server available!",
            "CRITICAL backend 'ws' has no server available!",
        ),
        ("2026-11-29 12:21:44.086 UTC [7] LOG:  listening on port 5432", "INFO    listening on port 5432"),
        ("WARNING edge: the certificate ends soon", "WARNING edge: the certificate ends soon"),
        ("Logging in", "INFO    Logging in"),
        ("6:M 29 Nov 2026 12:21:36.553 * Ready", "INFO    6:M 29 Nov 2026 12:21:36.553 * Ready"),
    ],
)
def test_a_level_is_shown_once(text, shown):
    assert readable(text) == shown


ORDERS = "\x1b]52;c;cm0gLXJm\x07\x9b2J\u202e"
"""To a terminal: fill the clipboard, clear the screen, write from right to left."""

FORGED = "x\n2026-11-29T08:15:00.000Z http-1  INFO    a: signed in"


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"level": "info", "logger": "a", "message": f"GET /{ORDERS}", "path": f"/{ORDERS}"}),
        json.dumps(
            {"level": "info", "logger": ORDERS, "message": "m", ORDERS: 1, "room": f"{ORDERS} {FORGED}"}
        ),
        json.dumps({"level": "error", "logger": "a", "message": FORGED, "exception": f"T\n{FORGED}{ORDERS}"}),
        json.dumps({"event": "request", "request_id": FORGED, **SEEN, "path": f"/{ORDERS}\n{FORGED}"}),
        f"LOG:  {ORDERS}",
    ],
)
def test_what_a_stranger_sent_gives_the_terminal_no_orders_and_begins_no_line(text, capsys):
    say(readable(text))
    said = capsys.readouterr().out.removesuffix("\n")
    assert not [each for each in said.split("\n")[1:] if not each.startswith("    ")]
    assert not set("\r\v\x1b\x07\x9b\u202e") & set(said)


def test_a_raw_line_of_json_means_what_it_meant(capsys):
    say(json.dumps({"message": ORDERS}, ensure_ascii=False))
    assert json.loads(capsys.readouterr().out) == {"message": ORDERS}
