"""What passes through the middleware is counted, once, under names that a stranger cannot choose."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys

import pytest
from processes import PATIENCE, RUNTIME
from prometheus_client.parser import text_string_to_metric_families

from channels_stack.observability import metrics


def values() -> dict[str, float]:
    """Every sample as `name{label=value,…}`, without the prefix of the project."""
    kind, body = metrics.render()
    assert kind.startswith("text/plain")
    found = {}
    for family in text_string_to_metric_families(body.decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            name = sample.name.replace("channels_stack_", "")
            found[f"{name}{{{labels}}}" if labels else name] = sample.value
    return found


@pytest.fixture
def counted():
    """What has changed since the test began."""
    before = values()
    return lambda: {
        name: value - before.get(name, 0) for name, value in values().items() if value != before.get(name, 0)
    }


def run(app, scope, events=()):
    """Run ``app`` with ``events`` to receive; what it sent."""
    sent = []

    async def send(message):
        sent.append(message)

    async def call():
        waiting = list(events)

        async def receive():
            return waiting.pop(0)

        await metrics.instrument(app)(scope, receive, send)

    asyncio.run(call())
    return sent


HTTP = {"type": "http", "method": "GET", "path": "/"}
SOCKET = {"type": "websocket", "path": "/"}
CONNECT = {"type": "websocket.connect"}


async def page(scope, receive, send):
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def broken(scope, receive, send):
    raise RuntimeError("broken")


async def echo(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        if message.get("text") == "close":
            await send({"type": "websocket.close", "code": 4404})
        else:
            await send({"type": "websocket.send", "text": message["text"]})


async def refusing(scope, receive, send):
    await receive()
    await send({"type": "websocket.close"})


def text(content):
    return {"type": "websocket.receive", "text": content}


def test_requests_by_method_and_class_of_status(counted):
    run(page, HTTP)
    run(page, HTTP | {"method": "BREW"})
    with pytest.raises(RuntimeError):
        run(broken, HTTP)
    changed = counted()
    assert changed["http_requests_total{method=GET,status=4xx}"] == 1
    assert changed["http_requests_total{method=other,status=4xx}"] == 1
    assert changed["http_requests_total{method=GET,status=5xx}"] == 1
    assert changed["http_seconds_count"] == 3


def test_a_socket_from_accept_to_the_client_leaving(counted):
    run(echo, SOCKET, [CONNECT, text("one"), text("three"), {"type": "websocket.disconnect", "code": 1001}])
    changed = counted()
    assert changed["sockets_accepted_total"] == 1
    assert "sockets" not in changed  # one came, one left
    assert changed["messages_total{direction=in}"] == 2
    assert changed["messages_total{direction=out}"] == 2
    assert changed["message_bytes_total{direction=in}"] == 8
    assert changed["handler_seconds_count"] == 2
    assert changed["sockets_closed_total{code=1001,who=client}"] == 1
    assert changed["socket_age_seconds_count"] == 1


@pytest.mark.parametrize(
    ("events", "code", "who"),
    [
        ([CONNECT, text("close"), {"type": "websocket.disconnect", "code": 4404}], "4xxx", "application"),
        ([CONNECT, {"type": "websocket.disconnect", "code": 1012}], "1012", "server"),
        ([CONNECT, {"type": "websocket.disconnect", "code": 1006}], "1006", "client"),
        ([CONNECT, {"type": "websocket.disconnect"}], "1005", "client"),
        ([CONNECT, {"type": "websocket.disconnect", "code": 3999}], "3xxx", "client"),
        ([CONNECT, {"type": "websocket.disconnect", "code": 99999}], "other", "client"),
    ],
)
def test_closed_by_code_and_who_each_once(counted, events, code, who):
    run(echo, SOCKET, events)
    closed = {name: value for name, value in counted().items() if name.startswith("sockets_closed_total")}
    assert closed == {f"sockets_closed_total{{code={code},who={who}}}": 1}


def test_refused_by_reason(counted):
    run(refusing, SOCKET, [CONNECT])
    with pytest.raises(RuntimeError):
        run(broken, SOCKET, [CONNECT])
    metrics.refused("full")
    changed = counted()
    assert changed["sockets_refused_total{reason=application}"] == 1
    # Who answers in the place of an application that raised counts it: refusals.py, with the reason.
    assert "sockets_refused_total{reason=error}" not in changed
    assert changed["sockets_refused_total{reason=full}"] == 1
    assert "sockets_accepted_total" not in changed


def test_a_socket_whose_consumer_raises_is_not_open_for_ever(counted):
    async def raises(scope, receive, send):
        await send({"type": "websocket.accept"})
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError):
        run(raises, SOCKET, [CONNECT])
    changed = counted()
    assert changed["sockets_closed_total{code=1011,who=server}"] == 1
    assert "sockets" not in changed


def test_drops_of_the_layer_are_read_from_its_log(counted, caplog):
    logger = logging.getLogger(metrics.OverCapacity.LOGGER)
    drops = metrics.OverCapacity()
    logger.addFilter(drops)
    logger.setLevel(logging.INFO)
    try:
        logger.info("%s of %s channels over capacity in group %s", 3, 20, "room")
        logger.info("something else")
    finally:
        logger.removeFilter(drops)
        logger.setLevel(logging.NOTSET)
    assert counted()["over_capacity_total"] == 3
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "3 of 20 channels over capacity in group room"),
        ("INFO", "something else"),
    ]


SIBLING = """
import asyncio, os, sys
from channels_stack.observability import metrics
metrics.SOCKETS.inc(int(sys.argv[1]))
metrics.ACCEPTED.inc(int(sys.argv[1]))
print(os.getpid(), flush=True)
sys.stdin.readline()
"""


def test_processes_of_one_container_are_added_up_and_the_ended_lose_their_gauges(tmp_path):
    """As under gunicorn: any of the processes answers the scrape."""
    environment = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": str(RUNTIME)}

    def start(*arguments):
        command = [sys.executable, "-c", *arguments]
        return subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def scrape(before=""):
        code = (
            f"from channels_stack.observability import metrics; {before}; print(metrics.render()[1].decode())"
        )
        return start(code).communicate()[0]

    with start(SIBLING, "2") as first, start(SIBLING, "3") as second:
        pid, _ = first.stdout.readline(), second.stdout.readline()
        both = scrape("pass")
        first.communicate("\n")
        one = scrape(f"metrics.child_exit({int(pid)})")
        second.communicate("\n")
    assert "channels_stack_sockets 5.0" in both
    assert "channels_stack_sockets_accepted_total 5.0" in both
    assert "channels_stack_sockets 3.0" in one
    assert "channels_stack_sockets_accepted_total 5.0" in one


COUNTING = """
import os
from channels_stack.observability import metrics
for number in range(int(os.environ["TEST_PROCESSES"])):
    child = os.fork()
    if not child:
        metrics.REQUESTS.labels("GET", "2xx").inc()
        metrics.LATENCY.observe(0.004)
        metrics.SOCKETS.inc()
        os._exit(0)
    os.waitpid(child, 0)
    metrics.child_exit(child)
print(metrics.render()[1].decode())
"""


def test_processes_that_have_ended_leave_one_file_whatever_their_number(tmp_path):
    """As of a gunicorn that recycles its processes for days."""
    environment = {
        **os.environ,
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path),
        "PYTHONPATH": str(RUNTIME),
        "TEST_PROCESSES": "200",
    }
    run = subprocess.run(
        [sys.executable, "-c", COUNTING], env=environment, capture_output=True, text=True, timeout=PATIENCE
    )
    assert run.returncode == 0, run.stderr
    assert 'channels_stack_http_requests_total{method="GET",status="2xx"} 200.0' in run.stdout
    assert "channels_stack_http_seconds_count 200.0" in run.stdout
    assert 'channels_stack_http_seconds_bucket{le="0.005"} 200.0' in run.stdout
    assert "channels_stack_sockets 0.0" in run.stdout
    files = sorted(path.name for path in tmp_path.iterdir())
    assert len(files) < 10, files
    assert {"counter_ended.db", "histogram_ended.db"} <= set(files)


def test_the_page_lists_every_metric():
    page = (RUNTIME.parents[1] / "docs/reference/metrics.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `channels_stack_")]
    assert rows == [
        f"| `{each._name}{'_total' if each._type == 'counter' else ''}` | {each._type} "
        f"| {', '.join(f'`{name}`' for name in each._labelnames)} | {each._documentation} |"
        for each in metrics.registry._collector_to_names
    ]
